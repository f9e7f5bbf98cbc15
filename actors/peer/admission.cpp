#include "actors/peer/admission.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "actors/identity/keys.hpp"
#include "actors/peer/clock_watch.hpp"
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

/// What a life is proven by: a signature of this text.
std::string life_text(const key_bytes& run, uint64_t life, int64_t started_unix_ms,
                      const std::string& agent, const std::string& announce) {
  return std::string{identity::view(run)} + std::to_string(life) + "\n" +
         std::to_string(started_unix_ms) + "\n" + agent + "\n" + announce;
}

bool is_proven(const wire::greeting& message, const key_bytes& run, const key_bytes& key) {
  const auto in = message.read();
  const auto proof = in->getProof();
  identity::signature given;
  if (proof.size() != given.size()) return false;
  std::copy(proof.begin(), proof.end(), given.begin());
  return identity::verify(life_domain,
                          life_text(run, in->getLife(), in->getStartedUnixMs(),
                                    in->getAgent().cStr(), in->getAnnounce().cStr()),
                          given, key);
}

/// Somebody else than the peer whose key it has.
peer_id observer_id(peer_id of_key, uint64_t life) {
  const auto mixed = splitmix64{of_key.value() ^ life}.next();
  return peer_id{(mixed & ~(uint64_t{1} << 63)) | 1};
}

wire::greeting parse(const std::string& bytes) {
  auto frame = greeting_frame(bytes);
  if (!frame) return wire::greeting{wire::errc::malformed};
  return wire::greeting{std::move(frame)};
}

}  // namespace

wire::frame_ptr greeting_frame(const std::string& bytes) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) return nullptr;
  auto body = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(body.asBytes().begin(), bytes.data(), bytes.size());
  wire::frame_ptr frame;
  if (wire::parse_body(std::move(body), frame)) return nullptr;
  if (wire::validate(*frame, capnp::Schema::from<schemas::Greeting>())) return nullptr;
  return frame;
}

std::string greeting_bytes(const wire::frame& from) {
  const auto table = wire::segment_table(from.parts());
  std::string result(reinterpret_cast<const char*>(table.data()), table.size() * sizeof(uint32_t));
  for (const auto& part : from.parts())
    result.append(reinterpret_cast<const char*>(part.begin()), part.size() * sizeof(capnp::word));
  return result;
}

std::string admission::greeting(int64_t unix_ms) const {
  wire::builder<schemas::Greeting> message;
  message->setProtocolVersion(self_.protocol_version);
  message->setRunKey(kj::arrayPtr(self_.run_key.data(), self_.run_key.size()));
  message->setDescriptionHash(description_hash());
  message->setKey(kj::arrayPtr(self_.key.data(), self_.key.size()));
  message->setLife(self_.life);
  message->setStartedUnixMs(self_.started_unix_ms);
  std::string announced;
  {
    const std::lock_guard<std::mutex> guard{mutex_};
    announced = announce_;
  }
  message->setAnnounce(announced);
  if (self_.sign && !self_.observer) {
    const auto proof = self_.sign(
        life_text(self_.run_key, self_.life, self_.started_unix_ms, self_.agent, announced));
    message->setProof(kj::arrayPtr(reinterpret_cast<const kj::byte*>(proof.data()), proof.size()));
  }
  message->setAgent(self_.agent);
  message->setObserver(self_.observer);
  message->setKernels(self_.kernels);
  message->setUnixMs(unix_ms);
  return greeting_bytes(*message.finish().bytes());
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
    if (greeting->getLife() == self_.life && greeting->getStartedUnixMs() == self_.started_unix_ms)
      return std::string{itself_sentence};
    const std::string agent = greeting->getAgent().cStr();
    const std::string where = greeting->getAnnounce().cStr();
    return "another process with the same token, " + agent + (where.empty() ? "" : " at " + where) +
           ", started " + utc_text(greeting->getStartedUnixMs()) +
           ": give each process a token of its own";
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
  result.started_unix_ms = greeting->getStartedUnixMs();
  result.announce = greeting->getAnnounce().cStr();
  result.agent = greeting->getAgent().cStr();
  result.observer = greeting->getObserver();
  result.kernels = kernels;
  result.unix_ms = greeting->getUnixMs();
  return result;
}

std::optional<rival> admission::rival_in(const std::string& greeting) const {
  if (self_.observer) return std::nullopt;
  const auto message = parse(greeting);
  if (message.fault()) return std::nullopt;
  const auto in = message.read();
  const auto run = key_of(in->getRunKey());
  const auto key = key_of(in->getKey());
  if (!run || *run != self_.run_key || !key || *key != self_.key || in->getObserver())
    return std::nullopt;
  const auto theirs = std::pair{in->getLife(), in->getStartedUnixMs()};
  if (theirs <= std::pair{self_.life, self_.started_unix_ms}) return std::nullopt;
  if (!is_proven(message, self_.run_key, self_.key)) return std::nullopt;
  return rival{in->getAnnounce().cStr(), in->getAgent().cStr(), in->getStartedUnixMs()};
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
