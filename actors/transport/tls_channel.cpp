#include "actors/transport/tls_channel.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <ctime>
#include <utility>

#include "actors/transport/tls.hpp"

namespace swarm::transport {

namespace {

constexpr uint8_t record_alert = 0x15;
constexpr uint8_t record_handshake = 0x16;
/// A fatal handshake_failure (RFC 8446, 6): what a stranger at a TLS port understands if it speaks
/// TLS, and what our plain side knows as TLS.
constexpr std::array<uint8_t, 7> alert_for_strangers{record_alert, 3, 1, 0, 2, 2, 40};
constexpr size_t record_header_bytes = 5;
constexpr size_t record_bytes = SSL3_RT_MAX_PLAIN_LENGTH;
/// Encrypted with one key; AES-GCM allows for six times as much (RFC 8446, 5.5).
constexpr uint64_t key_bytes_max = uint64_t{64} << 30;
/// Largest growth of a record: header, type, tag.
constexpr size_t record_growth = 64;

struct release {
  void operator()(SSL* x) const { SSL_free(x); }
};

/// What OpenSSL takes for now when it looks at a certificate.
std::string clock_here() {
  const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> now{X509_gmtime_adj(nullptr, 0),
                                                             &ASN1_TIME_free};
  std::tm parts{};
  char text[32] = "?";
  if (now && ASN1_TIME_to_tm(now.get(), &parts) == 1)
    std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
  return std::string{"the clock here says "} + text + " UTC, check both clocks";
}

class tls_channel final : public channel {
 public:
  tls_channel(SSL_CTX* settings, int socket, bool dialled);

  io_result handshake() override;
  io_result read(const std::array<writable_span, 2>& into) override;
  io_result write(const std::vector<readable_span>& from) override;
  bool holds_back() const override { return out_begin_ < out_end_; }
  std::optional<peer_key> far_key() const override;

  int bio_read(char* into, int bytes);
  int bio_write(const char* from, int bytes);

 private:
  bool check_first_byte(const char* bytes);
  io_result flush();
  io_result failure();
  std::string explain() const;
  bool is_verdict() const;
  size_t piece() const;
  std::string explain_alert(int reason) const;

  /// Where a list of spans has been taken to.
  struct position {
    const std::vector<readable_span>* from;
    size_t index = 0;
    size_t skip = 0;

    bool at_end() const { return index == from->size(); }
    void advance(size_t bytes) {
      skip += bytes;
      if (skip < (*from)[index].size) return;
      ++index;
      skip = 0;
    }
  };
  bool encrypt(const uint8_t* from, size_t bytes);
  std::optional<size_t> encrypt_next(position& at);

  const int socket_;
  const bool dialled_;
  std::unique_ptr<SSL, release> ssl_;

  /// Grows from a handshake's size to tls_out_bytes.
  std::vector<uint8_t> out_;
  size_t out_begin_ = 0;
  size_t out_end_ = 0;
  std::unique_ptr<uint8_t[]> in_;  ///< tls_in_bytes, after the handshake
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  std::unique_ptr<uint8_t[]> joined_;  ///< one record's worth of small spans

  uint64_t since_key_ = 0;
  bool first_byte_seen_ = false;
  bool plain_text_ = false;
  bool established_ = false;
  size_t first_record_left_ = 0;  ///< of the answer to a dialler, not yet sent
  bool answered_ = false;
  bool ended_ = false;
  std::string socket_error_;
};

tls_channel* of(BIO* bio) {
  return static_cast<tls_channel*>(BIO_get_data(bio));
}

int on_read(BIO* bio, char* into, int bytes) {
  BIO_clear_retry_flags(bio);
  const int got = of(bio)->bio_read(into, bytes);
  if (got < 0) BIO_set_retry_read(bio);
  return got;
}

int on_write(BIO* bio, const char* from, int bytes) {
  BIO_clear_retry_flags(bio);
  return of(bio)->bio_write(from, bytes);
}

long on_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* make_method() {
  auto* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "link");
  BIO_meth_set_read(method, on_read);
  BIO_meth_set_write(method, on_write);
  BIO_meth_set_ctrl(method, on_control);
  return method;
}

BIO* make_bio(tls_channel* owner) {
  // For the life of the process, as OpenSSL's own are.
  static BIO_METHOD* const method = make_method();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, owner);
  BIO_set_init(bio, 1);
  return bio;
}

tls_channel::tls_channel(SSL_CTX* settings, int socket, bool dialled)
    : socket_(socket), dialled_(dialled), ssl_(SSL_new(settings)) {
  auto* bio = make_bio(this);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (dialled) {
    SSL_set_connect_state(ssl_.get());
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

int tls_channel::bio_read(char* into, int bytes) {
  if (in_begin_ == in_end_) {
    // Before the handshake no more than OpenSSL asks for, and without memory of ours.
    const writable_span direct{reinterpret_cast<uint8_t*>(into), static_cast<size_t>(bytes)};
    const writable_span ahead{in_.get(), tls_in_bytes};
    const auto result = system_calls::receive(socket_, {{in_ ? ahead : direct, {}}});
    if (result.state == io_state::failed) socket_error_ = result.sentence;
    if (result.state == io_state::ended) ended_ = true;
    if (result.state != io_state::ready) return ended_ || !socket_error_.empty() ? 0 : -1;
    if (!in_) return check_first_byte(into) ? static_cast<int>(result.bytes) : 0;
    in_begin_ = 0;
    in_end_ = result.bytes;
  }
  const size_t taken = std::min(static_cast<size_t>(bytes), in_end_ - in_begin_);
  std::memcpy(into, in_.get() + in_begin_, taken);
  in_begin_ += taken;
  return static_cast<int>(taken);
}

bool tls_channel::check_first_byte(const char* bytes) {
  if (first_byte_seen_) return true;
  first_byte_seen_ = true;
  const auto first = static_cast<uint8_t>(bytes[0]);
  plain_text_ = first != record_handshake && first != record_alert;
  return !plain_text_;
}

int tls_channel::bio_write(const char* from, int bytes) {
  const auto size = static_cast<size_t>(bytes);
  if (out_end_ + size > out_.size()) {
    if (out_begin_ > 0) {
      std::memmove(out_.data(), out_.data() + out_begin_, out_end_ - out_begin_);
      out_end_ -= out_begin_;
      out_begin_ = 0;
    }
    if (out_end_ + size > out_.size()) out_.resize(out_end_ + size);
  }
  std::memcpy(out_.data() + out_end_, from, size);
  out_end_ += size;
  return bytes;
}

/// The first record of the answer goes in a packet of its own: it is small and arrives where larger
/// ones are lost, so that the dialler can tell such a way from a far side that says nothing.
size_t tls_channel::piece() const {
  const size_t all = out_end_ - out_begin_;
  return first_record_left_ > 0 ? std::min(first_record_left_, all) : all;
}

io_result tls_channel::flush() {
  if (!dialled_ && holds_back() && !std::exchange(answered_, true) &&
      out_end_ - out_begin_ >= record_header_bytes)
    first_record_left_ =
        record_header_bytes + (size_t{out_[out_begin_ + 3]} << 8) + out_[out_begin_ + 4];
  while (holds_back()) {
    auto result = system_calls::send(socket_, {{out_.data() + out_begin_, piece()}});
    out_begin_ += result.bytes;
    first_record_left_ -= std::min(first_record_left_, result.bytes);
    result.bytes = 0;
    if (result.state != io_state::ready) return result;
  }
  out_begin_ = out_end_ = 0;
  return {};
}

std::string tls_channel::explain_alert(int reason) const {
  switch (reason) {
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "it refuses our certificate: certificate has expired by its clock; " + clock_here();
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "it refuses our certificate: it is not of its run's authority";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
      // OpenSSL's word for one that is not yet valid, too.
      return "it refuses our certificate: damaged, or not yet valid by its clock; " + clock_here();
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
      return "it refuses our certificate";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "it asks for a certificate, and we have none that it takes";
    default:
      return "";
  }
}

std::string tls_channel::explain() const {
  if (plain_text_)
    return "it answers in plain text and this side asks for TLS: give both sides certificates or "
           "neither";
  const auto verdict = SSL_get_verify_result(ssl_.get());
  if (verdict != X509_V_OK) {
    const bool of_time =
        verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID;
    return std::string{"its certificate was refused: "} + X509_verify_cert_error_string(verdict) +
           (of_time ? "; " + clock_here() : std::string{});
  }
  const int reason = ERR_GET_REASON(ERR_peek_error());
  if (auto alert = explain_alert(reason); !alert.empty()) return alert;
  if (!socket_error_.empty()) return socket_error_;
  if (ended_) return "it closed the connection";
  const char* text = ERR_reason_error_string(ERR_peek_error());
  return std::string{"TLS failed: "} + (text != nullptr ? text : "for no reason given");
}

/// Our certificate is judged when the handshake is over for us.
bool tls_channel::is_verdict() const {
  return plain_text_ || SSL_get_verify_result(ssl_.get()) != X509_V_OK ||
         !explain_alert(ERR_GET_REASON(ERR_peek_error())).empty();
}

io_result tls_channel::failure() {
  io_result result{0, io_state::failed, explain(), is_verdict()};
  // A close without an alert says nothing that the connection's end does not say.
  if (ended_ && established_ && !plain_text_) result.state = io_state::ended;
  ERR_clear_error();
  if (plain_text_ && !dialled_)
    bio_write(reinterpret_cast<const char*>(alert_for_strangers.data()),
              static_cast<int>(alert_for_strangers.size()));
  // The alert that tells the far side why.
  flush();
  return result;
}

io_result tls_channel::handshake() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  const int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), done);
  if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) return failure();
  auto flushed = flush();
  if (flushed.state != io_state::ready) return flushed;
  if (error == SSL_ERROR_WANT_READ) return {0, io_state::wait_read, {}};
  if (!far_key()) return {0, io_state::failed, "its certificate has no Ed25519 key", true};
  established_ = true;
  // From here on the far side is one of ours, and speed counts.
  SSL_clear_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  in_.reset(new uint8_t[tls_in_bytes]);
  out_.resize(tls_out_bytes);
  joined_.reset(new uint8_t[record_bytes]);
  return {};
}

io_result tls_channel::read(const std::array<writable_span, 2>& into) {
  io_result result;
  ERR_clear_error();
  for (const auto& span : into) {
    size_t filled = 0;
    while (filled < span.size) {
      size_t got = 0;
      if (SSL_read_ex(ssl_.get(), span.data + filled, span.size - filled, &got) == 1) {
        filled += got;
        result.bytes += got;
        continue;
      }
      if (SSL_get_error(ssl_.get(), 0) == SSL_ERROR_WANT_READ) {
        result.state = io_state::wait_read;
        return result;
      }
      // What came before is handed over first; the next read fails again.
      if (result.bytes > 0) return result;
      return failure();
    }
  }
  return result;
}

bool tls_channel::encrypt(const uint8_t* from, size_t bytes) {
  since_key_ += bytes;
  if (since_key_ >= key_bytes_max) {
    since_key_ = 0;
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1) return false;
  }
  size_t taken = 0;
  while (taken < bytes) {
    size_t now = 0;
    if (SSL_write_ex(ssl_.get(), from + taken, bytes - taken, &now) != 1) return false;
    taken += now;
  }
  return true;
}

std::optional<size_t> tls_channel::encrypt_next(position& at) {
  const auto& span = (*at.from)[at.index];
  const size_t left = span.size - at.skip;
  if (left >= record_bytes) {
    const size_t records = (out_.size() - out_end_) / (record_bytes + record_growth);
    const size_t bytes = std::min(left, records * record_bytes);
    if (!encrypt(span.data + at.skip, bytes)) return std::nullopt;
    at.advance(bytes);
    return bytes;
  }
  // Small spans share a record.
  size_t joined = 0;
  while (!at.at_end() && joined < record_bytes) {
    const auto& next = (*at.from)[at.index];
    const size_t bytes = std::min(next.size - at.skip, record_bytes - joined);
    std::memcpy(joined_.get() + joined, next.data + at.skip, bytes);
    joined += bytes;
    at.advance(bytes);
  }
  if (!encrypt(joined_.get(), joined)) return std::nullopt;
  return joined;
}

io_result tls_channel::write(const std::vector<readable_span>& from) {
  auto result = flush();
  ERR_clear_error();
  position at{&from};
  while (!at.at_end() && result.state == io_state::ready) {
    size_t bytes = result.bytes;
    while (!at.at_end() && out_.size() - out_end_ >= record_bytes + record_growth) {
      const auto encrypted = encrypt_next(at);
      if (!encrypted) return failure();
      bytes += *encrypted;
    }
    result = flush();
    result.bytes = bytes;
  }
  return result;
}

std::optional<peer_key> tls_channel::far_key() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_.get());
  EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate);
  peer_key result{};
  size_t size = result.size();
  if (key == nullptr || EVP_PKEY_id(key) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(key, result.data(), &size) != 1)
    return std::nullopt;
  return result;
}

}  // namespace

std::unique_ptr<channel> make_tls_channel(SSL_CTX* settings, int socket, bool dialled) {
  return std::make_unique<tls_channel>(settings, socket, dialled);
}

}  // namespace swarm::transport
