#include "actors/identity/certificate.hpp"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cassert>
#include <ctime>
#include <memory>

namespace swarm::identity {

namespace {

struct release {
  void operator()(X509* x) const { X509_free(x); }
  void operator()(EVP_PKEY* x) const { EVP_PKEY_free(x); }
  void operator()(BIO* x) const { BIO_free(x); }
  void operator()(X509_EXTENSION* x) const { X509_EXTENSION_free(x); }
};
using x509_ptr = std::unique_ptr<X509, release>;
using pkey_ptr = std::unique_ptr<EVP_PKEY, release>;
using bio_ptr = std::unique_ptr<BIO, release>;

constexpr long x509_version_3 = 2;
constexpr size_t serial_bytes = 16;

pkey_ptr private_of(const key_seed& seed) {
  return pkey_ptr{
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size())};
}

pkey_ptr public_of(const public_key& key) {
  return pkey_ptr{EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size())};
}

x509_ptr parse(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const auto* end = bytes + der.size();
  x509_ptr result{d2i_X509(nullptr, &bytes, static_cast<long>(der.size()))};
  if (result && bytes != end) result.reset();
  return result;
}

std::string to_der(X509* x) {
  std::string result(static_cast<size_t>(i2d_X509(x, nullptr)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(result.data());
  i2d_X509(x, &out);
  return result;
}

void set_name(X509_NAME* name, const char* key, const std::string& value) {
  X509_NAME_add_entry_by_txt(name, key, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(value.data()),
                             static_cast<int>(value.size()), -1, 0);
}

void extend(X509* x, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, x, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, release> made{
      X509V3_EXT_conf_nid(nullptr, &context, what, value)};
  assert(made);
  X509_add_ext(x, made.get(), -1);
}

x509_ptr blank(const public_key& subject, int64_t now_s, int64_t valid_s) {
  x509_ptr x{X509_new()};
  X509_set_version(x.get(), x509_version_3);
  unsigned char serial[serial_bytes];
  RAND_bytes(serial, serial_bytes);
  // Positive, as RFC 5280 asks.
  serial[0] &= 0x7f;
  std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number{BN_bin2bn(serial, serial_bytes, nullptr),
                                                    &BN_free};
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x.get()));
  ASN1_TIME_set(X509_getm_notBefore(x.get()), static_cast<time_t>(now_s - backdate_s));
  ASN1_TIME_set(X509_getm_notAfter(x.get()), static_cast<time_t>(now_s + valid_s));
  X509_set_pubkey(x.get(), public_of(subject).get());
  return x;
}

int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<int64_t>(timegm(&parts));
}

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<size_t>(size)};
}

}  // namespace

std::string make_authority(const key_pair& run, const std::string& run_name, int64_t now_s,
                           int64_t valid_s) {
  auto x = blank(run.key(), now_s, valid_s);
  auto* name = X509_get_subject_name(x.get());
  set_name(name, "O", "swarm");
  set_name(name, "OU", run_name);
  set_name(name, "CN", to_hex(view(run.key())));
  X509_set_issuer_name(x.get(), name);
  extend(x.get(), x.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  extend(x.get(), x.get(), NID_key_usage, "critical,keyCertSign");
  extend(x.get(), x.get(), NID_subject_key_identifier, "hash");
  X509_sign(x.get(), private_of(run.seed()).get(), nullptr);
  return to_der(x.get());
}

std::string make_certificate(const key_pair& run, const std::string& authority_der,
                             const public_key& peer, int64_t now_s, int64_t valid_s) {
  const auto authority = parse(authority_der);
  assert(authority);
  auto x = blank(peer, now_s, valid_s);
  auto* name = X509_get_subject_name(x.get());
  set_name(name, "O", "swarm");
  set_name(name, "CN", to_hex(view(peer)));
  X509_set_issuer_name(x.get(), X509_get_subject_name(authority.get()));
  extend(x.get(), authority.get(), NID_basic_constraints, "critical,CA:FALSE");
  extend(x.get(), authority.get(), NID_key_usage, "critical,digitalSignature");
  extend(x.get(), authority.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  extend(x.get(), authority.get(), NID_authority_key_identifier, "keyid");
  X509_sign(x.get(), private_of(run.seed()).get(), nullptr);
  return to_der(x.get());
}

std::optional<certificate_facts> read_certificate(const std::string& der) {
  const auto x = parse(der);
  if (!x) return std::nullopt;
  auto* key = X509_get0_pubkey(x.get());
  certificate_facts result;
  size_t size = result.key.size();
  if (key == nullptr || EVP_PKEY_id(key) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(key, result.key.data(), &size) != 1)
    return std::nullopt;
  result.not_before_s = seconds_of(X509_get0_notBefore(x.get()));
  result.not_after_s = seconds_of(X509_get0_notAfter(x.get()));
  return result;
}

bool is_signed_by(const std::string& der, const public_key& signer) {
  const auto x = parse(der);
  return x && X509_verify(x.get(), public_of(signer).get()) == 1;
}

std::string certificate_pem(const std::string& der) {
  const auto x = parse(der);
  if (!x) return "";
  const bio_ptr out{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(out.get(), x.get());
  return text_of(out.get());
}

std::string private_key_pem(const key_seed& seed) {
  const bio_ptr out{BIO_new(BIO_s_secmem())};
  PEM_write_bio_PKCS8PrivateKey(out.get(), private_of(seed).get(), nullptr, nullptr, 0, nullptr,
                                nullptr);
  return text_of(out.get());
}

}  // namespace swarm::identity
