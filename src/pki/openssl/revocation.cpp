#include "pki/openssl/revocation.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace caponier::pki::ossl {

namespace {

/// Where a certificate says that its status is to be had.
struct Sources {
  std::vector<std::string> responders;
  std::vector<std::string> crls;
  bool names_any = false;  ///< of whatever protocol
};

bool is_url(std::string_view url) {
  constexpr std::string_view http = "http://";
  return url.size() > http.size() && url.size() <= url_size_max && url.starts_with(http) &&
         std::ranges::all_of(url, [](char c) { return c > ' ' && c <= '~'; });
}

void add_url(std::vector<std::string>& urls, std::string_view url) {
  if (is_url(url) && urls.size() < urls_per_certificate_max) urls.emplace_back(url);
}

void add_crl_urls(Sources& sources, const DIST_POINT* point) {
  if (point->distpoint == nullptr || point->distpoint->type != 0) return;
  const GENERAL_NAMES* const names = point->distpoint->name.fullname;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    int type = 0;
    const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    if (type != GEN_URI) continue;
    sources.names_any = true;
    add_url(sources.crls, base::as_text(bytes_of(static_cast<const ASN1_STRING*>(value))));
  }
}

Sources sources_of(X509* certificate) {
  Sources sources;
  void* const extension =
      X509_get_ext_d2i(certificate, NID_crl_distribution_points, nullptr, nullptr);
  const std::unique_ptr<CRL_DIST_POINTS, Freed<CRL_DIST_POINTS_free>> points{
      static_cast<CRL_DIST_POINTS*>(extension)};
  for (int i = 0; points != nullptr && i < sk_DIST_POINT_num(points.get()); ++i) {
    add_crl_urls(sources, sk_DIST_POINT_value(points.get(), i));
  }
  STACK_OF(OPENSSL_STRING)* const responders = X509_get1_ocsp(certificate);
  for (int i = 0; i < sk_OPENSSL_STRING_num(responders); ++i) {
    sources.names_any = true;
    add_url(sources.responders, sk_OPENSSL_STRING_value(responders, i));
  }
  X509_email_free(responders);
  return sources;
}

/// What a failure is remembered by: a responder may know one certificate and not another.
Digest failure_key(const Fetch& fetch) {
  ByteVec what = base::to_vec(base::as_bytes(fetch.url));
  if (fetch.kind == FetchKind::ocsp) base::append(what, fetch.body);
  return digest_of(what);
}

bool is_good(const OcspStatus& status, UnixTime now) {
  return !status.is_revoked && now <= status.usable_until;
}

UnixTime update_of(const X509_CRL* crl) {
  return unix_time(X509_CRL_get0_lastUpdate(crl)).value_or(UnixTime{});
}

}  // namespace

Digest digest_of(Bytes content) {
  Digest digest{};
  EVP_Digest(content.data(), content.size(), raw(base::MutBytes{digest}), nullptr, EVP_sha256(),
             nullptr);
  return digest;
}

std::expected<void, std::string> check_crl(X509_CRL* crl, X509* issuer) {
  const ErrorScope errors;
  int hash = NID_undef;
  if (OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &hash, nullptr) != 1 ||
      hash == NID_sha1 || hash == NID_md5) {
    return std::unexpected{"it was signed with a weak or unknown hash"};
  }
  if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0) {
    return std::unexpected{"it is of another authority"};
  }
  EVP_PKEY* const key = X509_get0_pubkey(issuer);
  if (key == nullptr || X509_CRL_verify(crl, key) != 1) {
    return std::unexpected{"it was not signed by the authority it names"};
  }
  if (!unix_time(X509_CRL_get0_nextUpdate(crl)) || !unix_time(X509_CRL_get0_lastUpdate(crl))) {
    return std::unexpected{"it does not say when the next one comes"};
  }
  return {};
}

std::optional<Fetch> status_fetch(X509* certificate, X509* issuer) {
  const Sources sources = sources_of(certificate);
  if (sources.responders.empty()) return std::nullopt;
  return Fetch{
      FetchKind::ocsp,      sources.responders.front(),    ocsp_request(certificate, issuer),
      ocsp_answer_size_max, der_of(certificate, i2d_X509), der_of(issuer, i2d_X509)};
}

void Revocations::add_configured(Crl crl, std::string file) {
  configured_.push_back({std::move(crl), std::move(file), 0, {}, {}});
}

std::expected<void, std::string> Revocations::take(const Fetch& fetch, Bytes answer, UnixTime now) {
  const ErrorScope errors;
  const X509Ptr certificate = parse_certificate(fetch.certificate);
  const X509Ptr issuer = parse_certificate(fetch.issuer);
  if (certificate == nullptr || issuer == nullptr) return std::unexpected{"it was not asked for"};
  if (fetch.kind == FetchKind::certificate) return std::unexpected{"it was not asked for"};
  if (fetch.kind == FetchKind::crl) return take_crl(fetch, answer, issuer.get(), now);
  keep_ocsp(digest_of(fetch.certificate),
            TRY(read_ocsp_answer(answer, certificate.get(), issuer.get(), now)));
  return {};
}

std::expected<void, std::string> Revocations::take_crl(const Fetch& fetch, Bytes answer,
                                                       X509* issuer, UnixTime now) {
  if (answer.size() > crl_size_max) return std::unexpected{"it is too large"};
  auto loaded = load_crls({fetch.url, answer});
  if (!loaded || loaded->size() != 1) return std::unexpected{"it is not a CRL"};
  Crl crl = std::move(loaded->front());
  TRY_VOID(check_crl(crl.get(), issuer));
  if (unix_time(X509_CRL_get0_nextUpdate(crl.get())) < now) {
    return std::unexpected{"it is too old"};
  }
  const auto known = fetched_.find(fetch.url);
  // HTTP is not protected: an older one in its place would take revocations back.
  if (known != fetched_.end() && update_of(known->second.crl.get()) > update_of(crl.get())) {
    return std::unexpected{"it is older than the one that is known"};
  }
  fetched_.insert_or_assign(
      fetch.url, KnownCrl{std::move(crl), fetch.url, answer.size(), now, digest_of(fetch.issuer)});
  bound_crls();
  return {};
}

void Revocations::take_over(const Revocations& before) {
  for (const auto& [url, known] : before.fetched_) {
    if (X509_CRL_up_ref(known.crl.get()) != 1) continue;
    // Who has signed it is looked at anew: the authorities may be others.
    fetched_.insert_or_assign(url,
                              KnownCrl{Crl{known.crl.get()}, url, known.size, known.taken, {}});
  }
  bound_crls();
  for (const auto& [certificate, status] : before.answers_) keep_ocsp(certificate, status);
  failures_ = before.failures_;
}

bool Revocations::restore(const std::string& url, Bytes crl, UnixTime now) {
  const ErrorScope errors;
  if (crl.size() > crl_size_max || !is_url(url) || fetched_.contains(url)) return false;
  auto loaded = load_crls({url, crl});
  if (!loaded || loaded->size() != 1) return false;
  fetched_.emplace(url, KnownCrl{std::move(loaded->front()), url, crl.size(), now, {}});
  bound_crls();
  return true;
}

void Revocations::bound_crls() {
  std::size_t octets = 0;
  for (const auto& [url, known] : fetched_) octets += known.size;
  while (fetched_.size() > cached_crls_max || octets > cached_crl_octets_max) {
    const auto oldest = std::ranges::min_element(
        fetched_, {}, [](const auto& entry) { return entry.second.taken; });
    octets -= oldest->second.size;
    fetched_.erase(oldest);
  }
}

void Revocations::keep_ocsp(const Digest& certificate, const OcspStatus& status) {
  const auto known = answers_.find(certificate);
  if (known != answers_.end() && known->second.this_update > status.this_update) return;
  answers_.insert_or_assign(certificate, status);
  if (answers_.size() <= cached_ocsp_answers_max) return;
  answers_.erase(std::ranges::min_element(
      answers_, {}, [](const auto& entry) { return entry.second.usable_until; }));
}

void Revocations::take_stapled(Bytes answer, const Path& path, UnixTime now) {
  for (std::size_t i = 0; i + 1 < path.chain.size(); ++i) {
    X509* const certificate = path.chain[i].get();
    const auto status = read_ocsp_answer(answer, certificate, path.chain[i + 1].get(), now);
    if (status) keep_ocsp(digest_of(der_of(certificate, i2d_X509)), *status);
  }
}

void Revocations::note_failure(const Fetch& fetch, UnixTime now) {
  failures_.insert_or_assign(failure_key(fetch), now);
  if (failures_.size() <= cached_failures_max) return;
  failures_.erase(
      std::ranges::min_element(failures_, {}, [](const auto& entry) { return entry.second; }));
}

bool Revocations::has_failed(const Fetch& fetch, UnixTime now) const {
  const auto known = failures_.find(failure_key(fetch));
  return known != failures_.end() && now.value < known->second.value + failure_seconds;
}

std::vector<Fetch> Revocations::fetches(X509* certificate, X509* issuer, UnixTime now) const {
  const Sources sources = sources_of(certificate);
  std::vector<Fetch> wanted;
  const auto add = [&](Fetch fetch) {
    if (!has_failed(fetch, now)) wanted.push_back(std::move(fetch));
  };
  const ByteVec own = der_of(certificate, i2d_X509);
  const ByteVec above = der_of(issuer, i2d_X509);
  for (const std::string& url : sources.responders) {
    add({FetchKind::ocsp, url, ocsp_request(certificate, issuer), ocsp_answer_size_max, own,
         above});
  }
  if (!wanted.empty()) return wanted;  // far smaller than CRLs, which are asked for if these fail
  for (const std::string& url : sources.crls) {
    add({FetchKind::crl, url, {}, crl_size_max, own, above});
  }
  return wanted;
}

/// Each CRL that one of the path's authorities has signed. What has been checked once is not again.
std::vector<X509_CRL*> Revocations::believed(const Path& path, std::span<const Crl> in_band) {
  std::vector<X509_CRL*> crls;
  for (std::size_t i = 1; i < path.chain.size(); ++i) {
    X509* const issuer = path.chain[i].get();
    const Digest who = digest_of(der_of(issuer, i2d_X509));
    const auto consider = [&](KnownCrl& known) {
      if (known.signed_by != who && !check_crl(known.crl.get(), issuer)) return;
      known.signed_by = who;
      crls.push_back(known.crl.get());
    };
    for (KnownCrl& known : configured_) consider(known);
    for (auto& [url, known] : fetched_) consider(known);
    for (const Crl& crl : in_band) {
      if (check_crl(crl.get(), issuer)) crls.push_back(crl.get());
    }
  }
  return crls;
}

std::expected<std::vector<Fetch>, Refused> Revocations::judge(const Path& path,
                                                              std::span<const Crl> in_band,
                                                              Revocation revocation, bool may_fetch,
                                                              UnixTime now) {
  const auto crl_findings = TRY(ask_crls(path, believed(path, in_band), now));
  std::vector<Fetch> wanted;
  std::optional<Refused> undecided;
  for (std::size_t i = 0; i + 1 < path.chain.size(); ++i) {
    X509* const certificate = path.chain[i].get();
    const auto answer = answers_.find(digest_of(der_of(certificate, i2d_X509)));
    const bool has_answer = answer != answers_.end();
    //= rfc4945#5.2.1-1
    if (crl_findings[i] == CrlFinding::revoked || (has_answer && answer->second.is_revoked)) {
      return std::unexpected{
          Refused{Refusal::revoked,
                  fmt::format("the certificate {} has been revoked", quoted_subject(certificate))}};
    }
    if (crl_findings[i] == CrlFinding::good || (has_answer && is_good(answer->second, now))) {
      continue;
    }
    if (may_fetch) {
      for (Fetch& fetch : fetches(certificate, path.chain[i + 1].get(), now)) {
        wanted.push_back(std::move(fetch));
      }
    }
    const bool must_be_known =
        revocation == Revocation::strict ||
        (revocation == Revocation::if_present && sources_of(certificate).names_any);
    if (!must_be_known || undecided) continue;
    const bool is_old = crl_findings[i] == CrlFinding::outdated || has_answer;
    undecided = Refused{is_old ? Refusal::revocation_outdated : Refusal::revocation_unknown,
                        fmt::format("whether the certificate {} has been revoked is not known: {}",
                                    quoted_subject(certificate),
                                    is_old ? "the last CRL or OCSP answer is too old"
                                           : "there is neither a CRL nor an OCSP answer")};
  }
  if (wanted.empty() && undecided) return std::unexpected{*std::move(undecided)};
  return wanted;
}

std::vector<Expiry> Revocations::expiries() const {
  std::vector<Expiry> all;
  for (const KnownCrl& known : configured_) {
    if (const auto end = unix_time(X509_CRL_get0_nextUpdate(known.crl.get()))) {
      all.push_back({fmt::format("CRL of '{}' in {}", text_of(X509_CRL_get_issuer(known.crl.get())),
                                 known.file),
                     *end});
    }
  }
  return all;
}

}  // namespace caponier::pki::ossl
