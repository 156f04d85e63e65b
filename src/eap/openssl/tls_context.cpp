#include "eap/openssl/tls_context.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <fmt/format.h>

#include "crypto/openssl/handles.h"
#include "eap/openssl/signer_key.h"

namespace caponier::eap {
namespace {

using crypto::ossl::Freed;
using Ssl = std::unique_ptr<SSL, Freed<SSL_free>>;
using SslCtx = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using X509NamePtr = std::unique_ptr<X509_NAME, Freed<X509_NAME_free>>;

/// Of handshake and tunnel, what the peer may make us hold at once.
constexpr std::size_t received_size_max = 64UL * 1024;
constexpr int certificates_max = 16;
/// 112 bits of strength everywhere, and no signatures with SHA-1.
constexpr int security_level = 2;

const unsigned char* raw(Bytes bytes) {
  const void* at = bytes.data();
  return static_cast<const unsigned char*>(at);
}

/// The library's first word of what went wrong, or ours (signer_key.cpp), and an empty queue.
std::string library_error() {
  const char* said = nullptr;
  int flags = 0;
  const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &said, &flags);
  const bool is_ours = ERR_GET_LIB(code) == ERR_LIB_USER && (flags & ERR_TXT_STRING) != 0;
  std::string ours = is_ours ? said : "";
  ERR_clear_error();
  if (!ours.empty()) return ours;
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

X509Ptr parse_certificate(Bytes der) {
  const unsigned char* at = raw(der);
  X509Ptr certificate{d2i_X509(nullptr, &at, static_cast<long>(der.size()))};
  const bool is_whole = certificate && at == raw(der) + der.size();
  return is_whole ? std::move(certificate) : nullptr;
}

ByteVec der_of(X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  if (size <= 0) return {};
  ByteVec der(static_cast<std::size_t>(size));
  void* start = der.data();
  auto* at = static_cast<unsigned char*>(start);
  i2d_X509(certificate, &at);
  return der;
}

class OpensslSession final : public TlsSession {
 public:
  /// `ssl` is fresh, of one of our contexts; its BIOs are made here.
  static std::unique_ptr<OpensslSession> make(Ssl ssl, TlsRole role,
                                              const CertificateVerifier* verifier) {
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    if (in == nullptr || out == nullptr) {
      BIO_free(in);
      BIO_free(out);
      return nullptr;
    }
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl.get(), in, out);
    auto session = std::make_unique<OpensslSession>(std::move(ssl), role, verifier);
    SSL_set_app_data(session->ssl_.get(), session.get());
    role == TlsRole::client ? SSL_set_connect_state(session->ssl_.get())
                            : SSL_set_accept_state(session->ssl_.get());
    return session;
  }

  OpensslSession(Ssl ssl, TlsRole role, const CertificateVerifier* verifier)
      : ssl_(std::move(ssl)), role_(role), verifier_(verifier) {}

  TlsState handle(Bytes records) override {
    if (state_ == TlsState::failed) return state_;
    std::size_t written = 0;
    if (!records.empty() &&
        (BIO_write_ex(SSL_get_rbio(ssl_.get()), records.data(), records.size(), &written) != 1 ||
         written != records.size())) {
      return fail("out of memory");
    }
    ERR_clear_error();
    if (state_ == TlsState::handshaking) {
      const int result = SSL_do_handshake(ssl_.get());
      if (result != 1) return judge(result);
      state_ = TlsState::established;
    }
    return read_all();
  }

  ByteVec take_output() override {
    BIO* out = SSL_get_wbio(ssl_.get());
    ByteVec octets(BIO_ctrl_pending(out));
    std::size_t read = 0;
    if (octets.empty()) return octets;
    if (BIO_read_ex(out, octets.data(), octets.size(), &read) != 1) read = 0;
    octets.resize(read);
    return octets;
  }

  base::SecretBytes take_received() override { return std::exchange(received_, {}); }

  bool send(Bytes data) override {
    if (state_ != TlsState::established || data.empty()) return false;
    ERR_clear_error();
    std::size_t written = 0;
    return SSL_write_ex(ssl_.get(), data.data(), data.size(), &written) == 1 &&
           written == data.size();
  }

  TlsState state() const override { return state_; }
  TlsVersion version() const override {
    return SSL_version(ssl_.get()) == TLS1_3_VERSION ? TlsVersion::tls13 : TlsVersion::tls12;
  }

  base::SecretBytes export_key(std::string_view label, std::optional<Bytes> context,
                               std::size_t size) const override {
    if (state_ != TlsState::established) return {};
    base::SecretBytes key{size};
    void* at = key.reveal_mutable().data();
    const int ok = SSL_export_keying_material(
        ssl_.get(), static_cast<unsigned char*>(at), size, label.data(), label.size(),
        context ? raw(*context) : nullptr, context ? context->size() : 0, context ? 1 : 0);
    return ok == 1 ? std::move(key) : base::SecretBytes{};
  }

  const CertifiedPeer& peer() const override { return peer_; }
  std::string failure() const override { return failure_; }

  /// 1: the peer's chain is good; else the alert is chosen.
  int verify(X509_STORE_CTX* store) {
    std::vector<ByteVec> chain;
    STACK_OF(X509)* untrusted = X509_STORE_CTX_get0_untrusted(store);
    const int count = sk_X509_num(untrusted);
    for (int i = 0; i < std::min(count, certificates_max); ++i) {
      chain.push_back(der_of(sk_X509_value(untrusted, i)));
    }
    if (chain.empty() || count > certificates_max || verifier_ == nullptr) {
      failure_ = "the peer's certificates are none, or too many";
    } else {
      const TlsRole peer = role_ == TlsRole::client ? TlsRole::server : TlsRole::client;
      auto proven = verifier_->verify(chain, peer);
      if (proven) {
        peer_ = std::move(*proven);
        peer_.chain = std::move(chain);
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
      }
      failure_ = std::move(proven.error());
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }

  /// An alert of the peer, when it is fatal.
  void note_alert(int alert) {
    if ((alert >> 8) != SSL3_AL_FATAL) return;
    failure_ = fmt::format("the peer ended TLS: {}", SSL_alert_desc_string_long(alert));
  }

 private:
  TlsState judge(int result) {
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return state_;
    if (error == SSL_ERROR_ZERO_RETURN) return fail("the peer closed TLS");
    return fail(fmt::format("TLS failed: {}", library_error()));
  }

  TlsState read_all() {
    std::array<std::byte, 4096> buffer;
    for (;;) {
      std::size_t read = 0;
      const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &read);
      if (result != 1) return judge(result);
      if (received_.size() + read > received_size_max) return fail("too much in the tunnel");
      base::SecretBytes joined{received_.size() + read};
      base::copy_into(joined.reveal_mutable(), received_.reveal());
      base::copy_into(joined.reveal_mutable().subspan(received_.size()), Bytes{buffer}.first(read));
      base::wipe(base::MutBytes{buffer}.first(read));
      received_ = std::move(joined);
    }
  }

  /// What is known already says more than the library.
  TlsState fail(std::string why) {
    if (failure_.empty()) failure_ = std::move(why);
    state_ = TlsState::failed;
    peer_ = {};
    return state_;
  }

  Ssl ssl_;
  TlsRole role_;
  const CertificateVerifier* verifier_;
  TlsState state_ = TlsState::handshaking;
  base::SecretBytes received_;
  CertifiedPeer peer_;
  std::string failure_;
};

OpensslSession* session_of(const SSL* ssl) {
  return static_cast<OpensslSession*>(SSL_get_app_data(ssl));
}

int verify_callback(X509_STORE_CTX* store, void* /*unused*/) {
  void* ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  return session_of(static_cast<const SSL*>(ssl))->verify(store);
}

void info_callback(const SSL* ssl, int where, int value) {
  if (where == SSL_CB_READ_ALERT) session_of(ssl)->note_alert(value);
}

class OpensslContext final : public TlsContext {
 public:
  OpensslContext(SslCtx ctx, TlsRole role, const CertificateVerifier* verifier)
      : ctx_(std::move(ctx)), role_(role), verifier_(verifier) {}

  std::unique_ptr<TlsSession> make_session(bool peer_certificate) const override {
    Ssl ssl{SSL_new(ctx_.get())};
    if (!ssl) return nullptr;
    const bool is_wanted = role_ == TlsRole::client || peer_certificate;
    SSL_set_verify(ssl.get(),
                   is_wanted ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                   nullptr);
    return OpensslSession::make(std::move(ssl), role_, verifier_);
  }

 private:
  SslCtx ctx_;
  TlsRole role_;
  const CertificateVerifier* verifier_;
};

int version_number(TlsVersion version) {
  return version == TlsVersion::tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

bool set_policy(SSL_CTX* ctx, const TlsSettings& settings) {
  SSL_CTX_set_security_level(ctx, security_level);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_cert_verify_callback(ctx, verify_callback, nullptr);
  SSL_CTX_set_info_callback(ctx, info_callback);
  return SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
         SSL_CTX_set_min_proto_version(ctx, version_number(settings.version_min)) == 1 &&
         SSL_CTX_set_max_proto_version(ctx, version_number(settings.version_max)) == 1 &&
         SSL_CTX_set_cipher_list(ctx,
                                 "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:"
                                 "ECDHE+AES+SHA256:ECDHE+AES+SHA:AESGCM:AES+SHA:!aNULL:"
                                 "!PSK:!SRP") == 1;
}

std::optional<std::string> set_credentials(SSL_CTX* ctx, const TlsSettings& settings) {
  if (settings.chain.empty()) {
    if (settings.role == TlsRole::client) return std::nullopt;
    return "a TLS server needs a certificate";
  }
  for (std::size_t i = 0; i < settings.chain.size(); ++i) {
    X509Ptr certificate = parse_certificate(settings.chain[i]);
    if (!certificate) return fmt::format("certificate {} does not decode", i + 1);
    const bool ok = i == 0 ? SSL_CTX_use_certificate(ctx, certificate.get()) == 1
                           : SSL_CTX_add1_chain_cert(ctx, certificate.get()) == 1;
    if (!ok) return fmt::format("certificate {} cannot be used: {}", i + 1, library_error());
  }
  if (!settings.signer) return "the certificate has no key";
  const auto key = make_signer_key(settings.signer);
  if (!key) return fmt::format("the key cannot be used: {}", library_error());
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
    return fmt::format("certificate and private key are no pair: {}", library_error());
  }
  return std::nullopt;
}

bool set_issuers(SSL_CTX* ctx, const std::vector<ByteVec>& names) {
  if (names.empty()) return true;
  STACK_OF(X509_NAME)* list = sk_X509_NAME_new_null();
  if (list == nullptr) return false;
  SSL_CTX_set_client_CA_list(ctx, list);  // owns it now
  for (const ByteVec& der : names) {
    const unsigned char* at = raw(der);
    X509NamePtr name{d2i_X509_NAME(nullptr, &at, static_cast<long>(der.size()))};
    if (!name || sk_X509_NAME_push(list, name.get()) == 0) return false;
    static_cast<void>(name.release());
  }
  return true;
}

}  // namespace

std::expected<std::unique_ptr<TlsContext>, std::string> make_tls_context(
    const TlsSettings& settings) {
  ERR_clear_error();
  OSSL_LIB_CTX* const library = signer_context();
  if (library == nullptr) {
    return std::unexpected{fmt::format("TLS cannot be set up: {}", library_error())};
  }
  SslCtx ctx{
      SSL_CTX_new_ex(library, signer_properties,
                     settings.role == TlsRole::server ? TLS_server_method() : TLS_client_method())};
  if (!ctx || !set_policy(ctx.get(), settings)) {
    return std::unexpected{fmt::format("TLS cannot be set up: {}", library_error())};
  }
  if (auto problem = set_credentials(ctx.get(), settings)) return std::unexpected{*problem};
  if (!set_issuers(ctx.get(), settings.issuer_names)) {
    return std::unexpected{std::string{"a name of an issuer does not decode"}};
  }
  return std::make_unique<OpensslContext>(std::move(ctx), settings.role, settings.verifier);
}

}  // namespace caponier::eap
