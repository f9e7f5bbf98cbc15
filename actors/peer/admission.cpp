#include "actors/peer/admission.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "actors/random.hpp"
#include "actors/wire/messages.hpp"

namespace swarm::peer {

namespace {

std::string hex(const key_bytes& key) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string result;
  // Enough to tell keys apart.
  for (size_t i = 0; i < 8; ++i) {
    result += digits[key[i] >> 4];
    result += digits[key[i] & 15];
  }
  return result;
}

std::optional<key_bytes> key_of(capnp::Data::Reader bytes) {
  key_bytes result;
  if (bytes.size() != result.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), result.begin());
  return result;
}

/// Somebody else than the peer whose key it has.
peer_id observer_id(peer_id of_key, uint64_t life) {
  const auto mixed = splitmix64{of_key.value() ^ life}.next();
  return peer_id{(mixed & ~(uint64_t{1} << 63)) | 1};
}

wire::greeting parse(const std::string& bytes) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0)
    return wire::greeting{wire::errc::truncated};
  auto body = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(body.asBytes().begin(), bytes.data(), bytes.size());
  wire::frame_ptr frame;
  if (const auto fault = wire::parse_body(std::move(body), frame)) return wire::greeting{*fault};
  const auto schema = capnp::Schema::from<schemas::Greeting>();
  if (const auto fault = wire::validate(*frame, schema)) return wire::greeting{*fault};
  return wire::greeting{std::move(frame)};
}

}  // namespace

std::string admission::greeting(int64_t unix_ms) const {
  wire::builder<schemas::Greeting> message;
  message->setProtocolVersion(self_.protocol_version);
  message->setRunKey(kj::arrayPtr(self_.run_key.data(), self_.run_key.size()));
  message->setDescriptionHash(description_hash());
  message->setKey(kj::arrayPtr(self_.key.data(), self_.key.size()));
  message->setLife(self_.life);
  {
    const std::lock_guard<std::mutex> guard{mutex_};
    message->setAnnounce(announce_);
  }
  message->setAgent(self_.agent);
  message->setObserver(self_.observer);
  message->setKernels(self_.kernels);
  message->setUnixMs(unix_ms);
  const auto frame = message.finish().bytes();
  const auto table = wire::segment_table(frame->parts());
  std::string result(reinterpret_cast<const char*>(table.data()), table.size() * sizeof(uint32_t));
  for (const auto& part : frame->parts())
    result.append(reinterpret_cast<const char*>(part.begin()), part.size() * sizeof(capnp::word));
  return result;
}

std::variant<acquaintance, std::string> admission::check(const transport::remote& who) const {
  const auto message = parse(who.greeting);
  if (message.fault()) return "the greeting is damaged: check that both sides run the same version";
  const auto greeting = message.read();
  if (greeting->getProtocolVersion() != self_.protocol_version) {
    return "protocol version " + std::to_string(self_.protocol_version) + " here, " +
           std::to_string(greeting->getProtocolVersion()) + " there: update the older side";
  }
  const auto run = key_of(greeting->getRunKey());
  if (!run || *run != self_.run_key) {
    return "run " + hex(self_.run_key) + " here, " + (run ? hex(*run) : "none") +
           " there: use a token of this run";
  }
  const auto key = key_of(greeting->getKey());
  if (!key) return std::string{"the greeting has no key"};
  if (who.key && *who.key != *key) {
    return "the greeting names key " + hex(*key) + ", the certificate proves " + hex(*who.key);
  }
  // An observer may look on with the token of a peer that runs.
  const bool observes = greeting->getObserver() || self_.observer;
  if (*key == self_.key && !observes) {
    return std::string{
        "it is this peer itself, or another process with the same token: give each "
        "peer a token of its own"};
  }
  const auto mine = description_hash();
  const std::string theirs = greeting->getDescriptionHash().cStr();
  if (!mine.empty() && !theirs.empty() && mine != theirs)
    return "run description " + mine + " here, " + theirs + " there: use the same description";
  // Who does not know the run yet asks for it, and comes again with its kernels.
  const std::string kernels = greeting->getKernels().cStr();
  if (same_kernels_ && !observes && !mine.empty() && !theirs.empty() && kernels != self_.kernels) {
    return "kernels '" + self_.kernels + "' here, '" + kernels +
           "' there: in a reproducible run everybody computes with the same ones";
  }
  if (greeting->getAnnounce().size() > greeting_text_bytes_max ||
      greeting->getKernels().size() > greeting_text_bytes_max ||
      greeting->getAgent().size() > greeting_text_bytes_max)
    return std::string{"the greeting's texts are too long"};
  acquaintance result;
  result.peer = self_.id_of(*key);
  if (greeting->getObserver()) result.peer = observer_id(result.peer, greeting->getLife());
  result.life = greeting->getLife();
  result.announce = greeting->getAnnounce().cStr();
  result.agent = greeting->getAgent().cStr();
  result.observer = greeting->getObserver();
  result.kernels = kernels;
  result.unix_ms = greeting->getUnixMs();
  return result;
}

void admission::announce(const std::string& address) {
  const std::lock_guard<std::mutex> guard{mutex_};
  announce_ = address;
}

void admission::learn_description(const std::string& hash) {
  const std::lock_guard<std::mutex> guard{mutex_};
  description_hash_ = hash;
}

std::string admission::description_hash() const {
  const std::lock_guard<std::mutex> guard{mutex_};
  return description_hash_;
}

}  // namespace swarm::peer
