#include "actors/identity/join_token.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>

#include "actors/identity/certificate.hpp"
#include "schemas/run.capnp.h"

namespace swarm::identity {

namespace {

constexpr std::string_view word = "swarm";
constexpr std::string_view prefix = "swarm1.";
constexpr std::string_view blanks = " \t\r\n";
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

/// The whole words at the beginning.
kj::Array<capnp::word> words_of(std::string_view bytes) {
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  if (words.size() != 0) std::memcpy(words.begin(), bytes.data(), words.asBytes().size());
  return words;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// "swarm2.": a token, but not of this version.
bool is_other_version(std::string_view text) {
  if (text.substr(0, word.size()) != word) return false;
  const auto dot = text.find_first_not_of("0123456789", word.size());
  return dot != std::string_view::npos && dot > word.size() && text[dot] == '.';
}

/// Why a line that begins like a token is none. Its first words tell how long it should be.
std::string why_damaged(std::string_view text) {
  const auto body = text.substr(prefix.size());
  // A line that was cut off may end in the middle of a group of four.
  const auto groups = from_base64url(body.substr(0, body.size() / 4 * 4));
  const std::string changed = "the token was changed: copy all of its line again";
  if (!groups) return changed;
  const std::string cut = "the token is cut off: copy all of its line";
  const auto words = words_of(*groups);
  if (words.size() == 0) return cut;
  const auto whole = capnp::expectedSizeInWordsFromPrefix(words);
  if (whole > token_bytes_max / sizeof(capnp::word)) return changed;
  const auto bytes = whole * sizeof(capnp::word) + checksum_bytes;
  const auto length = prefix.size() + (bytes * 4 + 2) / 3;
  if (text.size() >= length) return changed;
  return "the token is cut off after " + std::to_string(text.size()) + " of " +
         std::to_string(length) + " characters: copy all of its line";
}

/// Throws kj::Exception if the bytes are not a message.
bool fill(std::string_view bytes, join_token& token) {
  if (bytes.size() % sizeof(capnp::word) != 0) return false;
  const auto words = words_of(bytes);
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
  if (now_s < mine->not_before_s) {
    return "the token is not valid yet, by this machine's clock only in " +
           std::to_string((mine->not_before_s - now_s) / 3600 + 1) +
           " hours: check this machine's clock, which is behind";
  }
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
  assert(token.run_name.size() <= run_name_bytes_max);
  assert(token.addresses.size() <= token_addresses_max);
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

std::variant<join_token, std::string> parse_token(std::string_view line, int64_t now_s) {
  const auto text = trimmed(line);
  if (text.size() > token_bytes_max) return std::string{"this is too long for a token"};
  if (text.substr(0, prefix.size()) != prefix) {
    if (!is_other_version(text))
      return std::string{"this is not a token: it should begin with \"swarm1.\""};
    return "the token is of another version, " + std::string{text.substr(0, text.find('.'))} +
           " there and swarm1 here: update the older side";
  }
  const auto decoded = from_base64url(text.substr(prefix.size()));
  if (!decoded || decoded->size() <= checksum_bytes) return why_damaged(text);
  const auto bytes = std::string_view{*decoded}.substr(0, decoded->size() - checksum_bytes);
  if (decoded->substr(bytes.size()) != checksum(bytes)) return why_damaged(text);
  join_token token;
  bool whole = false;
  const auto failed = kj::runCatchingExceptions([&] { whole = fill(bytes, token); });
  if (failed != nullptr || !whole)
    return std::string{"the token holds something else than a token: ask for a new one"};
  if (auto why = complaint(token, now_s)) return std::move(*why);
  return token;
}

}  // namespace swarm::identity
