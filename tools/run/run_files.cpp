#include "tools/run/run_files.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <utility>

#include "actors/identity/certificate.hpp"
#include "actors/identity/secret_file.hpp"
#include "tools/report/output_file.hpp"
#include "tools/report/result_file.hpp"
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

/// Longest public file, bytes.
constexpr size_t public_bytes_max = 1 << 20;

std::optional<std::string> read_public(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  if (!in) return std::nullopt;
  std::string bytes(public_bytes_max, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad()) return std::nullopt;
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
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

/// Files of this call, which go again when it fails.
class new_files {
 public:
  new_files() = default;
  new_files(const new_files&) = delete;
  new_files& operator=(const new_files&) = delete;
  ~new_files() {
    std::error_code ignored;
    for (const auto& path : paths_)
      std::filesystem::remove(path, ignored);
  }

  /// Of the owner alone.
  std::optional<std::string> secret(const std::string& path, const std::string& text) {
    return noted(path, identity::write_secret(path, text));
  }
  /// For everybody; there is none yet.
  std::optional<std::string> open(const std::string& folder, const std::string& path,
                                  const std::string& bytes) {
    return noted(path, write_file(folder, path.substr(folder.size() + 1), bytes));
  }
  void keep() { paths_.clear(); }

 private:
  std::optional<std::string> noted(const std::string& path, std::optional<std::string> why) {
    if (!why) paths_.push_back(path);
    return why;
  }

  std::vector<std::string> paths_;
};

std::optional<std::string> write_tokens(new_files& made, const new_run& what,
                                        const identity::key_pair& run, const std::string& authority,
                                        const std::vector<int64_t>& numbers, int64_t unix_ms) {
  for (const auto i : numbers) {
    const auto token = identity::issue_token(run, what.name, authority, unix_ms / 1000,
                                             what.valid_s, what.addresses);
    if (auto why = made.secret(token_file(what.folder, i), identity::to_text(token) + "\n"))
      return why;
  }
  return std::nullopt;
}

std::vector<int64_t> numbers_to(int64_t last) {
  std::vector<int64_t> result(static_cast<size_t>(last));
  std::iota(result.begin(), result.end(), 1);
  return result;
}

/// A run in the folder, or what is left of one.
std::optional<std::string> run_in(const new_run& what) {
  std::vector<std::string> paths{key_file(what.folder), authority_file(what.folder),
                                 description_file(what.folder)};
  for (const auto i : numbers_to(what.peers))
    paths.push_back(token_file(what.folder, i));
  for (const auto& path : paths) {
    // A link that leads nowhere is in the way, too.
    std::error_code failed;
    const auto found = std::filesystem::symlink_status(path, failed);
    if (std::filesystem::exists(found))
      return "the file " + path + " exists already and is not replaced: choose another folder";
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
  run.kernels = kernels_of(options);
  run.steps = options.steps;
  run.data_source = options.data;
  run.data_hash = corpus_hash(data);
  run.data_tokens = static_cast<int64_t>(data.train().size() + data.validation().size());
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
  options.kernels = run.kernels;
  options.steps = run.steps;
}

std::optional<std::string> make_run(const new_run& what, const run_options& options,
                                    const tensors::corpus& data, int64_t unix_ms) {
  // It holds the run's key.
  if (const auto failed = make_folder(what.folder, audience::owner))
    return "the folder " + what.folder + " cannot be made: " + failed.message();
  if (auto why = run_in(what)) return why;
  const auto run = identity::key_pair::generate();
  const auto secret = identity::to_base64url(identity::view(run.seed())) + "\n";
  const auto authority = identity::make_authority(
      run, what.name, unix_ms / 1000, std::max(what.valid_s, identity::authority_valid_s));
  const auto bytes = identity::sign_description(describe(options, data, what.name, unix_ms), run);
  new_files made;
  if (auto why = made.secret(key_file(what.folder), secret)) return why;
  if (auto why = made.open(what.folder, authority_file(what.folder), authority)) return why;
  if (auto why = write_tokens(made, what, run, authority, numbers_to(what.peers), unix_ms))
    return why;
  // Last: where it is, the run is whole.
  if (auto why = made.open(what.folder, description_file(what.folder), bytes)) return why;
  made.keep();
  return std::nullopt;
}

std::variant<std::vector<int64_t>, std::string> add_tokens(const new_run& what, int64_t unix_ms) {
  const auto key = load_key(key_file(what.folder));
  if (const auto* why = std::get_if<std::string>(&key)) return *why;
  const auto& run = std::get<identity::key_pair>(key);
  const auto authority = read_public(authority_file(what.folder));
  const auto facts = authority ? identity::read_certificate(*authority) : std::nullopt;
  if (!facts || !identity::is_signed_by(*authority, run.key()))
    return "the file " + authority_file(what.folder) + " is not the authority of the key in " +
           key_file(what.folder);
  if (facts->not_after_s < unix_ms / 1000)
    return "the run's authority " + authority_file(what.folder) + " has expired: make a new run";
  const auto loaded = load_description(description_file(what.folder), run.key());
  if (const auto* why = std::get_if<std::string>(&loaded)) return *why;
  std::vector<int64_t> numbers;
  for (int64_t i = 1; static_cast<int64_t>(numbers.size()) < what.peers; ++i)
    if (!std::filesystem::exists(token_file(what.folder, i))) numbers.push_back(i);
  auto mine = what;
  mine.name = std::get<loaded_description>(loaded).run.name;
  new_files made;
  if (auto why = write_tokens(made, mine, run, *authority, numbers, unix_ms))
    return std::move(*why);
  made.keep();
  return numbers;
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
