#include "actors/identity/run_description.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>

#include "schemas/run.capnp.h"

namespace swarm::identity {

namespace {

constexpr std::string_view domain = "swarm run description";
constexpr size_t text_bytes_max = 4096;

kj::ArrayPtr<const kj::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

std::string_view view_of(capnp::Data::Reader bytes) {
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

std::string flat(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asBytes();
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

/// False if the bytes are not such a message, or `use` refuses it.
template <class Schema, class Use>
bool with(std::string_view bytes, Use&& use) {
  if (bytes.size() > description_bytes_max || bytes.size() % sizeof(capnp::word) != 0) return false;
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.asBytes().begin(), bytes.data(), bytes.size());
  bool fine = false;
  const auto failed = kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader reader{words};
    fine = use(reader.getRoot<Schema>());
  });
  return failed == nullptr && fine;
}

void write_model(schemas::RunDescription::Model::Builder out, const tensors::model_config& model) {
  out.setLayers(static_cast<uint32_t>(model.layers));
  out.setHeads(static_cast<uint32_t>(model.heads));
  out.setWidth(static_cast<uint32_t>(model.width));
  out.setContext(static_cast<uint32_t>(model.context));
  out.setVocabulary(static_cast<uint32_t>(model.vocabulary));
  out.setBias(model.bias);
  out.setTiedHead(model.tied_head);
  out.setDropout(model.dropout);
}

void write_optimizer(schemas::RunDescription::Optimizer::Builder out,
                     const tensors::optimizer_config& optimizer) {
  out.setLearningRate(optimizer.learning_rate);
  out.setLearningRateMin(optimizer.learning_rate_min);
  out.setBeta1(optimizer.beta1);
  out.setBeta2(optimizer.beta2);
  out.setEpsilon(optimizer.epsilon);
  out.setWeightDecay(optimizer.weight_decay);
  out.setClipNorm(optimizer.clip_norm);
  out.setWarmupSteps(optimizer.warmup_steps);
  out.setDecaySteps(optimizer.decay_steps);
}

tensors::model_config read_model(schemas::RunDescription::Model::Reader in) {
  tensors::model_config model;
  model.layers = in.getLayers();
  model.heads = in.getHeads();
  model.width = in.getWidth();
  model.context = in.getContext();
  model.vocabulary = in.getVocabulary();
  model.bias = in.getBias();
  model.tied_head = in.getTiedHead();
  model.dropout = in.getDropout();
  return model;
}

tensors::optimizer_config read_optimizer(schemas::RunDescription::Optimizer::Reader in) {
  tensors::optimizer_config optimizer;
  optimizer.learning_rate = in.getLearningRate();
  optimizer.learning_rate_min = in.getLearningRateMin();
  optimizer.beta1 = in.getBeta1();
  optimizer.beta2 = in.getBeta2();
  optimizer.epsilon = in.getEpsilon();
  optimizer.weight_decay = in.getWeightDecay();
  optimizer.clip_norm = in.getClipNorm();
  optimizer.warmup_steps = in.getWarmupSteps();
  optimizer.decay_steps = in.getDecaySteps();
  return optimizer;
}

bool read(schemas::RunDescription::Reader in, run_description& run) {
  if (in.getName().size() > text_bytes_max || in.getData().getSource().size() > text_bytes_max ||
      in.getData().getHash().size() > text_bytes_max)
    return false;
  run.protocol = in.getProtocolVersion();
  run.name = in.getName().cStr();
  run.model = read_model(in.getModel());
  run.stages = static_cast<int32_t>(in.getStages());
  run.optimizer = read_optimizer(in.getOptimizer());
  run.rows = in.getRows();
  run.microbatches = in.getMicrobatches();
  run.seed = in.getSeed();
  run.reproducible = in.getReproducible();
  run.steps = in.getSteps();
  run.data_source = in.getData().getSource().cStr();
  run.data_hash = in.getData().getHash().cStr();
  run.validation_fraction = in.getData().getValidationFraction();
  run.created_unix_ms = in.getCreatedUnixMs();
  return in.getCodec() == schemas::RunDescription::Codec::RAW;
}

/// What the signature cannot vouch for: whoever has the run's key may still have made a mistake.
std::optional<std::string> complaint(const run_description& run) {
  if (run.protocol != protocol_version) {
    return "protocol version " + std::to_string(protocol_version) + " here, " +
           std::to_string(run.protocol) + " in the run's description: update the older side";
  }
  if (auto why = tensors::validate(run.model, run.stages)) return why;
  if (run.rows < 1 || run.microbatches < 1)
    return std::string{"the run's description has no rows or no microbatches"};
  return std::nullopt;
}

}  // namespace

std::string canonical_bytes(const run_description& run) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<schemas::RunDescription>();
  out.setProtocolVersion(run.protocol);
  out.setName(run.name);
  write_model(out.initModel(), run.model);
  out.setStages(static_cast<uint32_t>(run.stages));
  write_optimizer(out.initOptimizer(), run.optimizer);
  out.setRows(static_cast<uint32_t>(run.rows));
  out.setMicrobatches(static_cast<uint32_t>(run.microbatches));
  out.setSeed(run.seed);
  out.setReproducible(run.reproducible);
  out.setSteps(run.steps);
  out.setCodec(schemas::RunDescription::Codec::RAW);
  auto data = out.initData();
  data.setSource(run.data_source);
  data.setHash(run.data_hash);
  data.setValidationFraction(run.validation_fraction);
  out.setCreatedUnixMs(run.created_unix_ms);
  // Canonical form: one segment whatever the builder's allocations were.
  const auto words = capnp::canonicalize(out.asReader());
  const kj::ArrayPtr<const capnp::word> segments[1] = {words};
  const auto framed = capnp::messageToFlatArray(kj::arrayPtr(segments, 1));
  const auto all = framed.asBytes();
  return {reinterpret_cast<const char*>(all.begin()), all.size()};
}

std::string description_hash(const run_description& run) {
  return fingerprint(canonical_bytes(run));
}

std::string sign_description(const run_description& run, const key_pair& key) {
  const auto bytes = canonical_bytes(run);
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<schemas::SignedDescription>();
  out.setDescription(bytes_of(bytes));
  out.setRunKey(bytes_of(view(key.key())));
  out.setSignature(bytes_of(view(key.sign(domain, bytes))));
  return flat(message);
}

std::variant<run_description, std::string> read_description(std::string_view bytes,
                                                            const public_key& run_key) {
  run_description run;
  bool genuine = false;
  const bool whole = with<schemas::SignedDescription>(bytes, [&](auto in) {
    signature sig;
    if (in.getSignature().size() != sig.size()) return false;
    std::copy(in.getSignature().begin(), in.getSignature().end(), sig.begin());
    const auto content = view_of(in.getDescription());
    genuine = verify(domain, content, sig, run_key);
    return genuine && with<schemas::RunDescription>(content, [&](auto d) { return read(d, run); });
  });
  if (!whole) {
    return std::string{genuine ? "the run's description cannot be read: update this program"
                               : "the description is damaged or not signed by the run's key"};
  }
  if (auto why = complaint(run)) return std::move(*why);
  return run;
}

std::optional<public_key> signer_of(std::string_view bytes) {
  public_key result;
  const bool fine = with<schemas::SignedDescription>(bytes, [&](auto in) {
    if (in.getRunKey().size() != result.size()) return false;
    std::copy(in.getRunKey().begin(), in.getRunKey().end(), result.begin());
    return true;
  });
  return fine ? std::optional{result} : std::nullopt;
}

}  // namespace swarm::identity
