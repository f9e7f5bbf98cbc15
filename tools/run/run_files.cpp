#include "tools/run/run_files.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "actors/identity/certificate.hpp"
#include "actors/identity/secret_file.hpp"
#include "tools/report/user_path.hpp"

namespace swarm::tools {

namespace {

std::string_view bytes_of(const std::vector<uint16_t>& tokens) {
  return {reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(uint16_t)};
}

std::string key_file(const std::string& folder) {
  return folder + "/run.key";
}

std::string authority_file(const std::string& folder) {
  return folder + "/run.ca";
}

std::optional<std::string> write_public(const std::string& path, const std::string& bytes) {
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  out << bytes;
  if (!out.flush()) return "the file " + path + " cannot be written";
  return std::nullopt;
}

std::optional<std::string> read_public(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::variant<identity::key_pair, std::string> load_key(const std::string& path) {
  const auto read = identity::read_secret(path);
  if (const auto* why = std::get_if<identity::secret_failure>(&read)) return why->sentence;
  auto text = std::get<std::string>(read);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  const auto bytes = identity::from_base64url(text);
  identity::key_seed seed;
  if (!bytes || bytes->size() != seed.size()) return "the file " + path + " holds no key";
  std::copy(bytes->begin(), bytes->end(), seed.begin());
  return identity::key_pair::from_seed(seed);
}

std::optional<std::string> write_tokens(const new_run& what, const identity::key_pair& run,
                                        const std::string& authority, int64_t first,
                                        int64_t unix_ms) {
  for (int64_t i = first; i < first + what.peers; ++i) {
    const auto token = identity::issue_token(run, what.name, authority, unix_ms / 1000,
                                             what.valid_s, what.addresses);
    const auto failed =
        identity::write_secret(token_file(what.folder, i), identity::to_text(token) + "\n");
    if (failed) return failed;
  }
  return std::nullopt;
}

}  // namespace

std::string token_file(const std::string& folder, int64_t number) {
  return folder + "/peer-" + std::to_string(number) + ".token";
}

std::string description_file(const std::string& folder) {
  return folder + "/run.swarm";
}

std::string corpus_hash(const tensors::corpus& data) {
  return identity::fingerprint(identity::fingerprint(bytes_of(data.train())) +
                               identity::fingerprint(bytes_of(data.validation())));
}

identity::run_description describe(const run_options& options, const tensors::corpus& data,
                                   const std::string& name, int64_t unix_ms) {
  identity::run_description run;
  run.name = name;
  run.model = options.model;
  run.stages = static_cast<int32_t>(options.stages);
  run.optimizer = options.optimizer;
  run.rows = options.rows;
  run.microbatches = options.microbatches;
  run.seed = static_cast<uint64_t>(options.seed);
  run.reproducible = options.reproducible;
  run.steps = options.steps;
  run.data_source = options.data;
  run.data_hash = corpus_hash(data);
  run.validation_fraction = options.validation_fraction;
  run.created_unix_ms = unix_ms;
  return run;
}

void apply(const identity::run_description& run, run_options& options) {
  options.model = run.model;
  options.optimizer = run.optimizer;
  options.vocabulary = run.model.vocabulary;
  options.validation_fraction = run.validation_fraction;
  options.stages = run.stages;
  options.rows = run.rows;
  options.microbatches = run.microbatches;
  options.seed = static_cast<int64_t>(run.seed);
  options.reproducible = run.reproducible;
  options.steps = run.steps;
}

std::optional<std::string> make_run(const new_run& what, const run_options& options,
                                    const tensors::corpus& data, int64_t unix_ms) {
  std::error_code failed;
  std::filesystem::create_directories(what.folder, failed);
  if (failed) return "the folder " + what.folder + " cannot be made: " + failed.message();
  const auto run = identity::key_pair::generate();
  const auto secret = identity::to_base64url(identity::view(run.seed())) + "\n";
  if (auto why = identity::write_secret(key_file(what.folder), secret)) return why;
  const auto authority = identity::make_authority(run, what.name, unix_ms / 1000, what.valid_s);
  if (auto why = write_public(authority_file(what.folder), authority)) return why;
  const auto description = describe(options, data, what.name, unix_ms);
  const auto bytes = identity::sign_description(description, run);
  if (auto why = write_public(description_file(what.folder), bytes)) return why;
  return write_tokens(what, run, authority, 1, unix_ms);
}

std::variant<std::pair<int64_t, int64_t>, std::string> add_tokens(const new_run& what,
                                                                  int64_t unix_ms) {
  const auto key = load_key(key_file(what.folder));
  if (const auto* why = std::get_if<std::string>(&key)) return *why;
  const auto& run = std::get<identity::key_pair>(key);
  const auto authority = read_public(authority_file(what.folder));
  if (!authority || !identity::is_signed_by(*authority, run.key()))
    return "the file " + authority_file(what.folder) + " is not the run's authority";
  const auto loaded = load_description(description_file(what.folder), run.key());
  if (const auto* why = std::get_if<std::string>(&loaded)) return *why;
  int64_t first = 1;
  while (std::filesystem::exists(token_file(what.folder, first)))
    ++first;
  auto mine = what;
  mine.name = std::get<loaded_description>(loaded).run.name;
  if (auto why = write_tokens(mine, run, *authority, first, unix_ms)) return std::move(*why);
  return std::pair{first, first + what.peers - 1};
}

std::variant<identity::join_token, std::string> load_token(const std::string& text_or_file,
                                                           int64_t unix_ms) {
  constexpr std::string_view beginning = "swarm1.";
  if (text_or_file.empty()) return std::string{"no token: name the file that keygen wrote"};
  if (text_or_file.compare(0, beginning.size(), beginning) == 0)
    return identity::parse_token(text_or_file, unix_ms / 1000);
  const auto read = identity::read_secret(user_path(text_or_file));
  if (const auto* why = std::get_if<identity::secret_failure>(&read)) return why->sentence;
  return identity::parse_token(std::get<std::string>(read), unix_ms / 1000);
}

std::variant<loaded_description, std::string> load_description(
    const std::string& file, const std::optional<identity::public_key>& run_key) {
  const auto bytes = read_public(user_path(file));
  if (!bytes) return "the run's description " + file + " cannot be read";
  const auto signer = run_key ? run_key : identity::signer_of(*bytes);
  if (!signer) return "the file " + file + " is not a run's description";
  auto run = identity::read_description(*bytes, *signer);
  if (auto* why = std::get_if<std::string>(&run)) return file + ": " + *why;
  return loaded_description{std::move(std::get<identity::run_description>(run)), *bytes};
}

}  // namespace swarm::tools
