#include "actors/identity/run_description.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "schemas/run.capnp.h"

namespace swarm::identity {

namespace {

constexpr std::string_view domain = "swarm run description";

std::string text(bool value) {
  return value ? "yes" : "no";
}

/// Different numbers have different texts.
std::string text(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

template <class Integer>
std::enable_if_t<std::is_integral_v<Integer>, std::string> text(Integer value) {
  return std::to_string(value);
}

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
  const auto data = in.getData();
  for (const auto text : {in.getName(), data.getSource(), data.getHash(), in.getKernels()})
    if (text.size() > description_text_bytes_max) return false;
  run.protocol = in.getProtocolVersion();
  run.name = in.getName().cStr();
  run.model = read_model(in.getModel());
  run.stages = static_cast<int32_t>(in.getStages());
  run.optimizer = read_optimizer(in.getOptimizer());
  run.rows = in.getRows();
  run.microbatches = in.getMicrobatches();
  run.seed = in.getSeed();
  run.reproducible = in.getReproducible();
  run.kernels = in.getKernels().cStr();
  run.steps = in.getSteps();
  run.data_source = data.getSource().cStr();
  run.data_hash = data.getHash().cStr();
  run.data_tokens = data.getTokens();
  run.validation_fraction = data.getValidationFraction();
  run.created_unix_ms = in.getCreatedUnixMs();
  return in.getCodec() == schemas::RunDescription::Codec::RAW;
}

/// The first that is out of its range. Infinities and what is not a number are in none.
std::optional<std::string> out_of_range(const run_description& run) {
  struct range {
    const char* name;
    double value;
    double least;
    double most;
  };
  constexpr double rate_max = 1e6;
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  const auto& o = run.optimizer;
  const range ranges[] = {
      {"rows", number(run.rows), 1, number(description_rows_max)},
      {"microbatches", number(run.microbatches), 1, number(description_microbatches_max)},
      {"steps", number(run.steps), 1, number(description_steps_max)},
      {"share of validation", run.validation_fraction, 0, 1},
      {"learning rate", o.learning_rate, 0, rate_max},
      {"least learning rate", o.learning_rate_min, 0, rate_max},
      {"beta1", o.beta1, 0, 1},
      {"beta2", o.beta2, 0, 1},
      {"epsilon", o.epsilon, 0, 1},
      {"weight decay", o.weight_decay, 0, rate_max},
      {"norm to clip at", o.clip_norm, 0, rate_max},
      {"steps of warm-up", number(o.warmup_steps), 0, number(description_steps_max)},
      {"steps of decay", number(o.decay_steps), 0, number(description_steps_max)},
  };
  for (const auto& r : ranges) {
    if (r.value >= r.least && r.value <= r.most) continue;
    return std::string{"the "} + r.name + " of the run's description, " + text(r.value) +
           ", is not from " + text(r.least) + " to " + text(r.most) + ": make the run anew";
  }
  return std::nullopt;
}

/// What the signature cannot vouch for: whoever has the run's key may still have made a mistake.
std::optional<std::string> complaint(const run_description& run) {
  if (run.protocol != protocol_version) {
    return "protocol version " + std::to_string(protocol_version) + " here, " +
           std::to_string(run.protocol) + " in the run's description: update the older side";
  }
  if (auto why = tensors::validate(run.model, run.stages)) return why;
  return out_of_range(run);
}

/// Each field by its name, in the order in which a difference matters.
std::vector<std::pair<const char*, std::string>> fields_of(const run_description& run) {
  const auto& m = run.model;
  const auto& o = run.optimizer;
  return {{"protocol version", text(run.protocol)},
          {"run name", run.name},
          {"layers", text(m.layers)},
          {"heads", text(m.heads)},
          {"width", text(m.width)},
          {"context", text(m.context)},
          {"vocabulary", text(m.vocabulary)},
          {"bias", text(m.bias)},
          {"tied head", text(m.tied_head)},
          {"dropout", text(m.dropout)},
          {"stages", text(run.stages)},
          {"learning rate", text(o.learning_rate)},
          {"least learning rate", text(o.learning_rate_min)},
          {"beta1", text(o.beta1)},
          {"beta2", text(o.beta2)},
          {"epsilon", text(o.epsilon)},
          {"weight decay", text(o.weight_decay)},
          {"norm to clip at", text(o.clip_norm)},
          {"steps of warm-up", text(o.warmup_steps)},
          {"steps of decay", text(o.decay_steps)},
          {"rows", text(run.rows)},
          {"microbatches", text(run.microbatches)},
          {"seed", text(run.seed)},
          {"reproducible", text(run.reproducible)},
          {"kernels", run.kernels.empty() ? "the fastest" : run.kernels},
          {"steps", text(run.steps)},
          {"data hash", run.data_hash},
          {"tokens of the data", text(run.data_tokens)},
          {"share of validation", text(run.validation_fraction)},
          {"data source", run.data_source},
          {"made at (ms since 1970)", text(run.created_unix_ms)}};
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
  data.setTokens(run.data_tokens);
  out.setCreatedUnixMs(run.created_unix_ms);
  if (!run.kernels.empty()) out.setKernels(run.kernels);
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

std::optional<std::string> explain_difference(const run_description& here,
                                              const run_description& there) {
  const auto mine = fields_of(here);
  const auto theirs = fields_of(there);
  for (size_t i = 0; i < mine.size(); ++i) {
    if (mine[i].second == theirs[i].second) continue;
    return std::string{mine[i].first} + ": " + mine[i].second + " here, " + theirs[i].second +
           " there";
  }
  return std::nullopt;
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
    if (!genuine) return false;
    const bool known = with<schemas::RunDescription>(content, [&](auto d) { return read(d, run); });
    // Else its hash would differ from the signer's: it has a field that is not known here.
    return known && (run.protocol != protocol_version || canonical_bytes(run) == content);
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
