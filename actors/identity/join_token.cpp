#include "actors/identity/join_token.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "actors/identity/certificate.hpp"
#include "schemas/run.capnp.h"

namespace swarm::identity {

namespace {

constexpr std::string_view any_version = "swarm";
constexpr std::string_view prefix = "swarm1.";
/// Of the checksum behind the words, bytes.
constexpr size_t checksum_bytes = 16;

kj::ArrayPtr<const kj::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

std::string text_of(capnp::Data::Reader bytes) {
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

std::string checksum(std::string_view bytes) {
  return fingerprint(bytes).substr(0, checksum_bytes);
}

template <size_t Size>
bool copy(capnp::Data::Reader from, std::array<uint8_t, Size>& to) {
  if (from.size() != Size) return false;
  std::copy(from.begin(), from.end(), to.begin());
  return true;
}

/// Throws kj::Exception if the words are not a message.
bool fill(const std::string& bytes, join_token& token) {
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.asBytes().begin(), bytes.data(), bytes.size());
  capnp::FlatArrayMessageReader reader{words};
  const auto in = reader.getRoot<schemas::JoinToken>();
  key_seed seed;
  if (!copy(in.getRunKey(), token.run_key) || !copy(in.getSeed(), seed)) return false;
  token.run_name = in.getRunName().cStr();
  token.authority_der = text_of(in.getAuthority());
  token.certificate_der = text_of(in.getCertificate());
  token.peer = key_pair::from_seed(seed);
  if (in.getAddresses().size() > token_addresses_max) return false;
  for (const auto address : in.getAddresses()) {
    if (address.size() > address_bytes_max) return false;
    token.addresses.emplace_back(address.cStr());
  }
  return token.run_name.size() <= run_name_bytes_max;
}

std::optional<std::string> complaint(join_token& token, int64_t now_s) {
  const auto authority = read_certificate(token.authority_der);
  const auto mine = read_certificate(token.certificate_der);
  if (!authority || !mine) return "the token's certificates cannot be read: ask for a new token";
  if (authority->key != token.run_key || !is_signed_by(token.authority_der, token.run_key))
    return "the token's authority is not the run's: ask for a new token";
  if (!is_signed_by(token.certificate_der, token.run_key))
    return "the token's certificate is not of this run: ask for a token of run " + token.run_name;
  if (mine->key != token.peer.key())
    return "the token's key does not fit its certificate: ask for a new token";
  token.not_after_s = std::min(mine->not_after_s, authority->not_after_s);
  if (now_s > token.not_after_s) {
    return "the token expired " + std::to_string((now_s - token.not_after_s) / 3600) +
           " hours ago: ask for a new one, or check this machine's clock";
  }
  if (now_s < mine->not_before_s)
    return std::string{"the token is not valid yet: check this machine's clock"};
  return std::nullopt;
}

}  // namespace

join_token issue_token(const key_pair& run, const std::string& run_name,
                       const std::string& authority_der, int64_t now_s, int64_t valid_s,
                       std::vector<std::string> addresses) {
  join_token token;
  token.run_key = run.key();
  token.run_name = run_name;
  token.authority_der = authority_der;
  token.peer = key_pair::generate();
  token.certificate_der = make_certificate(run, authority_der, token.peer.key(), now_s, valid_s);
  token.addresses = std::move(addresses);
  token.not_after_s = now_s + valid_s;
  return token;
}

std::string to_text(const join_token& token) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<schemas::JoinToken>();
  out.setRunKey(bytes_of(view(token.run_key)));
  out.setRunName(token.run_name);
  out.setAuthority(bytes_of(token.authority_der));
  out.setCertificate(bytes_of(token.certificate_der));
  out.setSeed(bytes_of(view(token.peer.seed())));
  auto addresses = out.initAddresses(static_cast<unsigned>(token.addresses.size()));
  for (unsigned i = 0; i < token.addresses.size(); ++i)
    addresses.set(i, token.addresses[i]);
  const auto words = capnp::messageToFlatArray(message);
  const auto flat = words.asBytes();
  std::string bytes{reinterpret_cast<const char*>(flat.begin()), flat.size()};
  return std::string{prefix} + to_base64url(bytes + checksum(bytes));
}

std::variant<join_token, std::string> parse_token(std::string_view text, int64_t now_s) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back()) != nullptr)
    text.remove_suffix(1);
  if (text.size() > token_bytes_max) return std::string{"this is too long for a token"};
  if (text.substr(0, prefix.size()) != prefix) {
    const bool other = text.substr(0, any_version.size()) == any_version;
    return std::string{other ? "the token is of another version: update this program"
                             : "this is not a token: it should begin with \"swarm1.\""};
  }
  const auto decoded = from_base64url(text.substr(prefix.size()));
  const char* damaged = "the token is damaged or cut off: copy all of its line";
  if (!decoded || decoded->size() <= checksum_bytes) return std::string{damaged};
  const auto bytes = decoded->substr(0, decoded->size() - checksum_bytes);
  if (decoded->substr(bytes.size()) != checksum(bytes)) return std::string{damaged};
  join_token token;
  bool whole = false;
  const auto failed = kj::runCatchingExceptions([&] { whole = fill(bytes, token); });
  if (failed != nullptr || !whole) return std::string{damaged};
  if (auto why = complaint(token, now_s)) return std::move(*why);
  return token;
}

}  // namespace swarm::identity
