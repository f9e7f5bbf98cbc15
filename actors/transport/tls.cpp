#include "actors/transport/tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "actors/transport/tls_channel.hpp"

namespace swarm::transport {

namespace {

struct release {
  void operator()(BIO* x) const { BIO_free(x); }
  void operator()(X509* x) const { X509_free(x); }
  void operator()(EVP_PKEY* x) const { EVP_PKEY_free(x); }
  void operator()(SSL_CTX* x) const { SSL_CTX_free(x); }
};
template <class T>
using held = std::unique_ptr<T, release>;

held<BIO> text(const std::string& pem) {
  return held<BIO>{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
}

/// Never asks on the terminal.
int no_password(char*, int, int, void*) {
  return 0;
}

held<X509> read_certificate(const std::string& pem) {
  return held<X509>{PEM_read_bio_X509(text(pem).get(), nullptr, no_password, nullptr)};
}

bool is_ed25519(const EVP_PKEY* key) {
  return key != nullptr && EVP_PKEY_id(key) == EVP_PKEY_ED25519;
}

class context final : public tls_context {
 public:
  explicit context(held<SSL_CTX> settings) : settings_(std::move(settings)) {}

  std::unique_ptr<channel> make_channel(int socket, bool dialled) override {
    return make_tls_channel(settings_.get(), socket, dialled);
  }

 private:
  const held<SSL_CTX> settings_;
};

void restrict(SSL_CTX* settings) {
  SSL_CTX_set_min_proto_version(settings, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(settings, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(
      settings, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set1_sigalgs_list(settings, "ed25519");
  SSL_CTX_set1_groups_list(settings, "X25519");
  SSL_CTX_set_verify(settings, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(settings, 0);
  SSL_CTX_set_options(settings, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_max_cert_list(settings, certificate_chain_bytes_max);
  SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
}

}  // namespace

std::variant<std::shared_ptr<tls_context>, std::string> tls_context::make(
    const tls_options& options) {
  ERR_clear_error();
  const auto authority = read_certificate(options.authority);
  if (!authority)
    return "tls.authority is not a certificate in PEM text: give the run's own authority";
  const auto own = read_certificate(options.certificate);
  if (!own) return "tls.certificate is not a certificate in PEM text: make one with keygen";
  const held<EVP_PKEY> key{
      PEM_read_bio_PrivateKey(text(options.key).get(), nullptr, no_password, nullptr)};
  if (!key) return "tls.key is not a private key in PEM text without a password";
  if (!is_ed25519(key.get()) || !is_ed25519(X509_get0_pubkey(own.get())))
    return "tls.key and tls.certificate have to be of Ed25519: make them with keygen";
  held<SSL_CTX> settings{SSL_CTX_new(TLS_method())};
  if (!settings) return "OpenSSL cannot be used: it has no memory or no default provider";
  restrict(settings.get());
  if (X509_STORE_add_cert(SSL_CTX_get_cert_store(settings.get()), authority.get()) != 1 ||
      SSL_CTX_use_certificate(settings.get(), own.get()) != 1 ||
      SSL_CTX_use_PrivateKey(settings.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(settings.get()) != 1) {
    ERR_clear_error();
    return "tls.key is not the key of tls.certificate: give those that belong together";
  }
  return std::make_shared<context>(std::move(settings));
}

}  // namespace swarm::transport
