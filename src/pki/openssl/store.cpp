// The certificate store: configured files, and the order in which a peer's certificates are judged.

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"
#include "pki/openssl/path.h"
#include "pki/openssl/provider.h"
#include "pki/openssl/revocation.h"
#include "pki/openssl/rules.h"

namespace caponier::pki::ossl {

namespace {

struct Anchor {
  X509Ptr certificate;
  std::string file;
  KeyHash key_hash{};
};

/// A peer's CERT payloads, read.
struct Intake {
  X509Ptr leaf;
  Certificate leaf_read;
  std::vector<X509Ptr> others;
  std::vector<Crl> crls;
  std::vector<Bytes> ocsp_answers;
  std::optional<Refused> dropped;  ///< why the first of the others could not be used
};

std::unexpected<Refused> refuse(Refusal reason, std::string text) {
  return std::unexpected{Refused{reason, std::move(text)}};
}

/// A certificate whose key and extensions can be worked with.
std::expected<std::pair<X509Ptr, Certificate>, Refused> read_one(Bytes der) {
  X509Ptr certificate = parse_certificate(der);
  if (certificate == nullptr) {
    return refuse(Refusal::malformed, "a certificate of the peer is not X.509 in DER");
  }
  auto read = read_certificate(certificate.get());
  if (!read) {
    return refuse(read.error().reason,
                  fmt::format("the certificate {}: {}", quoted_subject(certificate.get()),
                              read.error().text));
  }
  TRY_VOID(check_extensions(certificate.get()));
  return std::pair{std::move(certificate), *std::move(read)};
}

std::expected<void, Refused> take_certificate(Intake& intake, Bytes der) {
  auto one = read_one(der);
  if (intake.leaf != nullptr) {  // the first is the leaf: RFC 7296 s3.6
    if (one) {
      intake.others.push_back(std::move(one->first));
    } else if (!intake.dropped) {
      intake.dropped = std::move(one.error());
    }
    return {};
  }
  if (!one) return std::unexpected{std::move(one.error())};
  intake.leaf = std::move(one->first);
  intake.leaf_read = std::move(one->second);
  return {};
}

std::expected<Intake, Refused> read_payloads(std::span<const wire::CertPayload> payloads) {
  Intake intake;
  if (payloads.size() > certificates_per_message_max) {
    return refuse(Refusal::too_many_certificates,
                  fmt::format("the peer sends {} certificates, and at most {} are read",
                              payloads.size(), certificates_per_message_max));
  }
  for (const wire::CertPayload& payload : payloads) {
    if (payload.data.size() > certificate_size_max) {
      return refuse(Refusal::certificate_too_large,
                    fmt::format("a certificate of the peer has {} octets, and at most {} are read",
                                payload.data.size(), certificate_size_max));
    }
    switch (static_cast<CertEncoding>(payload.encoding)) {
      case CertEncoding::x509_signature: TRY_VOID(take_certificate(intake, payload.data)); break;
      case CertEncoding::crl:
        if (auto crl = object_of<Crl>(payload.data, d2i_X509_CRL)) {
          intake.crls.push_back(std::move(crl));
        }
        break;
      case CertEncoding::ocsp_content: intake.ocsp_answers.emplace_back(payload.data); break;
      case CertEncoding::hash_and_url:
      case CertEncoding::raw_public_key: break;
    }
  }
  if (intake.leaf == nullptr) {
    return refuse(Refusal::no_certificate,
                  "the peer sent no X.509 certificate; it must be configured to send it");
  }
  return intake;
}

class Store final : public CertificateStore {
 public:
  void add_anchor(X509Ptr certificate, const Certificate& read, const std::string& file) {
    anchors_.push_back({std::move(certificate), file, read.key_hash});
    note_expiry(read, file);
  }
  void add_intermediate(X509Ptr certificate, const Certificate& read, const std::string& file) {
    intermediates_.push_back(std::move(certificate));
    note_expiry(read, file);
  }
  void add_crl(Crl crl, const std::string& file) {
    revocations_.add_configured(std::move(crl), file);
  }

  [[nodiscard]] Verdict verify(const VerifyRequest& request) override {
    const ErrorScope errors;
    auto intake = read_payloads(request.certs);
    if (!intake) return std::move(intake.error());
    auto path = prove(*intake, request);
    if (!path) return std::move(path.error());
    // Whatever a stranger's certificate names, nothing is fetched for it before here.
    for (const Bytes answer : intake->ocsp_answers) {
      revocations_.take_stapled(answer, *path, request.now);
    }
    auto wanted =
        revocations_.judge(*path, intake->crls, request.revocation, request.may_fetch, request.now);
    if (!wanted) return std::move(wanted.error());
    if (!wanted->empty()) return NeedsFetch{std::move(*wanted)};
    return trusted(*std::move(intake), *path);
  }

  [[nodiscard]] std::expected<void, std::string> take_answer(const Fetch& fetch, Bytes answer,
                                                             UnixTime now) override {
    auto taken = revocations_.take(fetch, answer, now);
    if (!taken) revocations_.note_failure(fetch, now);
    return taken;
  }
  void take_failure(const Fetch& fetch, UnixTime now) override {
    revocations_.note_failure(fetch, now);
  }
  void take_over(const CertificateStore& before) override {
    const auto* const same = dynamic_cast<const Store*>(&before);
    if (same != nullptr && same != this) revocations_.take_over(same->revocations_);
  }
  [[nodiscard]] std::optional<Fetch> own_status(std::span<const Certificate> chain) const override {
    const ErrorScope errors;
    if (chain.empty()) return std::nullopt;
    const X509Ptr leaf = parse_certificate(chain.front().der);
    if (leaf == nullptr) return std::nullopt;
    for (const Certificate& other : chain.subspan(1)) {
      const X509Ptr issuer = parse_certificate(other.der);
      if (has_issued(issuer.get(), leaf.get())) return status_fetch(leaf.get(), issuer.get());
    }
    for (const Anchor& anchor : anchors_) {
      X509* const issuer = anchor.certificate.get();
      if (has_issued(issuer, leaf.get())) return status_fetch(leaf.get(), issuer);
    }
    return std::nullopt;
  }
  [[nodiscard]] std::expected<UnixTime, std::string> usable_until(const Fetch& fetch, Bytes answer,
                                                                  UnixTime now) const override {
    const X509Ptr certificate = parse_certificate(fetch.certificate);
    const X509Ptr issuer = parse_certificate(fetch.issuer);
    if (certificate == nullptr || issuer == nullptr) {
      return std::unexpected{"it was not asked for"};
    }
    return TRY(read_ocsp_answer(answer, certificate.get(), issuer.get(), now)).usable_until;
  }
  bool restore_crl(const std::string& url, Bytes crl, UnixTime now) override {
    return revocations_.restore(url, crl, now);
  }

  [[nodiscard]] std::vector<KeyHash> authorities(
      std::span<const std::string> names) const override {
    std::vector<KeyHash> hashes;
    for (const Anchor& anchor : anchors_) {
      if (is_meant(anchor, names)) hashes.push_back(anchor.key_hash);
    }
    return hashes;
  }

  [[nodiscard]] std::vector<Expiry> expiries() const override {
    std::vector<Expiry> all = expiries_;
    std::ranges::copy(revocations_.expiries(), std::back_inserter(all));
    std::ranges::sort(all, {}, [](const Expiry& one) { return std::tie(one.not_after, one.name); });
    return all;
  }

 private:
  static bool has_issued(X509* issuer, X509* certificate) {
    return issuer != nullptr && X509_check_issued(issuer, certificate) == X509_V_OK;
  }
  static bool is_meant(const Anchor& anchor, std::span<const std::string> names) {
    return names.empty() || std::ranges::find(names, anchor.file) != names.end();
  }

  void note_expiry(const Certificate& read, const std::string& file) {
    expiries_.push_back(
        {fmt::format("certificate '{}' in {}", read.subject_text, file), read.not_after});
  }

  std::expected<Path, Refused> prove(const Intake& intake, const VerifyRequest& request) {
    std::vector<X509*> untrusted;
    for (const X509Ptr& one : intake.others) untrusted.push_back(one.get());
    for (const X509Ptr& one : intermediates_) untrusted.push_back(one.get());
    std::vector<X509*> anchors;
    for (const Anchor& anchor : anchors_) {
      if (is_meant(anchor, request.anchors)) anchors.push_back(anchor.certificate.get());
    }
    auto path = find_path({.leaf = intake.leaf.get(),
                           .untrusted = untrusted,
                           .anchors = anchors,
                           .required_policies = request.required_policies,
                           .now = request.now});
    if (!path) {
      const bool is_gap = path.error().reason == Refusal::unknown_authority;
      return std::unexpected{is_gap && intake.dropped ? *intake.dropped : path.error()};
    }
    TRY_VOID(check_authorities(*path));
    TRY_VOID(check_purpose(path->chain, request.purpose));
    TRY_VOID(check_identity(intake.leaf.get(), intake.leaf_read, request.identity));
    return path;
  }

  /// OpenSSL also takes authorities of older kinds: version 1, without basicConstraints.
  static Rule check_authorities(const Path& path) {
    for (std::size_t i = 1; i < path.chain.size(); ++i) {
      if (X509_check_ca(path.chain[i].get()) == 1) continue;
      return refuse(Refusal::not_an_authority,
                    fmt::format("the certificate {} does not say that it is an authority's "
                                "(basicConstraints), but others were signed with it",
                                quoted_subject(path.chain[i].get())));
    }
    return {};
  }

  Trusted trusted(Intake intake, Path& path) const {
    Trusted result{std::move(intake.leaf_read), {}, {}, {}, std::move(path.policies)};
    result.not_after = result.leaf.not_after;
    for (const X509Ptr& one : path.chain) {
      result.chain.push_back(text_of(X509_get_subject_name(one.get())));
      const auto end = unix_time(X509_get0_notAfter(one.get()));
      if (end) result.not_after = std::min(result.not_after, *end);
    }
    for (const Anchor& anchor : anchors_) {
      if (X509_cmp(anchor.certificate.get(), path.chain.back().get()) == 0) {
        result.anchor = anchor.file;
      }
    }
    return result;
  }

  std::vector<Anchor> anchors_;
  std::vector<X509Ptr> intermediates_;
  std::vector<Expiry> expiries_;
  Revocations revocations_;
};

/// Every certificate of the files goes to `add`; what is wrong with them to `mistakes`.
template <class Add>
void load_all(const std::vector<NamedFile>& files, std::vector<LoadError>& mistakes, Add add) {
  for (const NamedFile& file : files) {
    auto bundle = load_bundle(file);
    if (!bundle) {
      mistakes.push_back(std::move(bundle.error()));
      continue;
    }
    for (X509Ptr& one : *bundle) {
      auto read = read_certificate(one.get());
      const auto extensions = check_extensions(one.get());
      if (read && extensions) {
        add(std::move(one), *read, file.name);
        continue;
      }
      mistakes.push_back(
          {file.name,
           fmt::format("the certificate {}: {}", quoted_subject(one.get()),
                       read ? extensions.error().text : read.error().text),
           "take it out of the file, or have it issued again with a key that is fit"});
    }
  }
}

}  // namespace

}  // namespace caponier::pki::ossl

namespace caponier::pki {

std::expected<std::unique_ptr<CertificateStore>, std::vector<LoadError>> OpensslPki::make_store(
    const StoreFiles& files) const {
  const ossl::ErrorScope errors;
  auto store = std::make_unique<ossl::Store>();
  std::vector<LoadError> mistakes;
  using ossl::X509Ptr;
  ossl::load_all(files.anchors, mistakes,
                 [&](X509Ptr one, const Certificate& read, const std::string& file) {
                   store->add_anchor(std::move(one), read, file);
                 });
  ossl::load_all(files.intermediates, mistakes,
                 [&](X509Ptr one, const Certificate& read, const std::string& file) {
                   store->add_intermediate(std::move(one), read, file);
                 });
  for (const NamedFile& file : files.crls) {
    auto crls = ossl::load_crls(file);
    if (!crls) {
      mistakes.push_back(std::move(crls.error()));
      continue;
    }
    for (ossl::Crl& crl : *crls) store->add_crl(std::move(crl), file.name);
  }
  if (!mistakes.empty()) return std::unexpected{std::move(mistakes)};
  return store;
}

}  // namespace caponier::pki
