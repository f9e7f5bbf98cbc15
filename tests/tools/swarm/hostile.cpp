#include "tests/tools/swarm/hostile.hpp"

#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "actors/random.hpp"

namespace swarm::tests {

namespace {

namespace fs = std::filesystem;

constexpr size_t long_text_bytes = 5'000;
constexpr size_t noise_bytes = 3'000;
constexpr size_t arguments_max = 6;

/// Numbers, durations and words that are not, or hardly, values.
constexpr std::array values{"",
                            "0",
                            "-1",
                            "1",
                            "2",
                            "010",
                            "0x10",
                            "0b1",
                            "1e3",
                            "1e999",
                            "nan",
                            "inf",
                            "-inf",
                            "1.5",
                            ".5",
                            "1_000",
                            "1,000",
                            "1 ",
                            " 1",
                            "+1",
                            "1s",
                            "1000",
                            "-5s",
                            "10h30m",
                            "1ms1ms",
                            "true",
                            "false",
                            "maybe",
                            "null",
                            "[1,2]",
                            "{}",
                            "'x'",
                            "\"x\"",
                            "\"",
                            "a\nb",
                            "a\tb\x1b[",
                            "\xff\xfe\x80",
                            "%s%n%d",
                            "$(id)",
                            "`id`",
                            "; id",
                            "--",
                            "-",
                            "=",
                            "a=b",
                            "~",
                            "~/x",
                            "~nobody/x",
                            "*",
                            "*.txt",
                            "/",
                            ".",
                            "..",
                            "/dev/null",
                            "/dev/full",
                            "/dev/zero",
                            "/proc/self/mem",
                            "/proc/1/root/x",
                            "text.txt",
                            "noise.bin",
                            "empty",
                            "folder",
                            "loop",
                            "nowhere",
                            "no/such/folder/file",
                            "run",
                            "run/run.swarm",
                            "run/peer-1.token",
                            "half",
                            "half/run.swarm",
                            "half/peer-1.token",
                            "decoy",
                            "decoy/pid",
                            "busy",
                            "9223372036854775807",
                            "9223372036854775808",
                            "-9223372036854775809",
                            "18446744073709551616",
                            "99999999999999999999999999",
                            "127.0.0.1:1",
                            "127.0.0.1:99999",
                            "127.0.0.1",
                            ":1",
                            "[::1]:1",
                            "[::1",
                            "::1:1",
                            "a:b:c",
                            "localhost:0",
                            "0:1",
                            "nohost.invalid:1",
                            "a:1,b:2,,",
                            "swarm1.",
                            "swarm1.AAAA",
                            "throughput",
                            "queue",
                            "none",
                            "warn"};

/// What a configuration file may hold instead of a configuration.
constexpr std::array configurations{"",
                                    "\n",
                                    "{",
                                    "}",
                                    "layers",
                                    "layers=",
                                    "layers=1\nlayers=2\n",
                                    "layers=08\n",
                                    "layers=0x10\n",
                                    "\xef\xbb\xbflayers=1\n",
                                    "layers=1\r\nseed=2\r\n",
                                    "a{b{c{d=1}}}",
                                    "layers=\"",
                                    "layers='1'",
                                    "; only a comment",
                                    "layers=[1,2,3]\n",
                                    "layers=1e999\n",
                                    "=",
                                    "==",
                                    "\0x",
                                    "dir=\"/\"\n",
                                    "lr=nan\n",
                                    "steps=-1\n",
                                    "help=true\n",
                                    "config-file=\"conf-3\"\n",
                                    "no-such-name=1\n"};

constexpr std::array variables{"HOME",
                               "PATH",
                               "TMPDIR",
                               "LC_ALL",
                               "LANG",
                               "TZ",
                               "BUILD_WORKING_DIRECTORY",
                               "BUILD_WORKSPACE_DIRECTORY",
                               "USER",
                               "TERM",
                               "SWARM_KERNELS_TUNED"};

template <class List>
std::string pick(splitmix64& random, const List& list) {
  return std::string{list[random.below(list.size())]};
}

bool one_in(splitmix64& random, size_t count) {
  return random.below(count) == 0;
}

std::string value_of(splitmix64& random) {
  if (one_in(random, 30)) return std::string(long_text_bytes, 'x');
  if (one_in(random, 30)) {
    std::string noise;
    for (size_t i = 0; i < 20; ++i)
      noise += static_cast<char>(1 + random.below(255));
    return noise;
  }
  return pick(random, values);
}

std::string argument_of(splitmix64& random, const command_line& what) {
  switch (random.below(16)) {
    case 0:
      return value_of(random);
    case 1:
      return "--" + value_of(random);
    case 2:
      return pick(random, what.options);
    case 3:
      // Half a name, or one too many.
      return pick(random, what.options).substr(0, 5) + "=" + value_of(random);
    case 4:
      return "--config-file=conf-" + std::to_string(random.below(configurations.size()));
    default:
      return pick(random, what.options) + "=" + value_of(random);
  }
}

descriptor descriptor_of(splitmix64& random) {
  constexpr std::array kinds{descriptor::closed, descriptor::full_disk, descriptor::reader_gone};
  return one_in(random, 8) ? kinds[random.below(kinds.size())] : descriptor::as_usual;
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream{path, std::ios::binary} << bytes;
}

}  // namespace

std::vector<std::string> options_in(const std::string& help) {
  std::vector<std::string> result;
  std::istringstream in{help};
  for (std::string line; std::getline(in, line);)
    if (line.rfind("--", 0) == 0) result.push_back(line.substr(0, line.find(' ')));
  return result;
}

void make_hostile_files(const std::string& folder, int64_t bystander) {
  const fs::path root{folder};
  for (const char* name : {"folder", "decoy", "half"})
    fs::create_directories(root / name);
  write(root / "text.txt", std::string(20'000, 'a') + "\n");
  write(root / "empty", "");
  std::string noise;
  splitmix64 random{1};
  for (size_t i = 0; i < noise_bytes; ++i)
    noise += static_cast<char>(random.below(256));
  for (const char* name : {"noise.bin", "half/run.swarm", "half/peer-1.token", "half/life"})
    write(root / name, noise);
  // A token or a key that anybody may read is refused for that alone.
  ::chmod((root / "half/peer-1.token").c_str(), S_IRUSR | S_IWUSR);
  write(root / "decoy/pid", std::to_string(bystander) + "\n");
  fs::create_symlink("loop", root / "loop");
  fs::create_symlink("not/there", root / "nowhere");
  for (size_t i = 0; i < configurations.size(); ++i)
    write(root / ("conf-" + std::to_string(i)), configurations[i]);
}

invocation hostile_invocation(const command_line& what, uint64_t seed) {
  splitmix64 random{seed};
  invocation result;
  result.arguments.push_back(what.command);
  const bool sound = !what.sound.empty() && !one_in(random, 3);
  if (sound) result.arguments.insert(result.arguments.end(), what.sound.begin(), what.sound.end());
  for (size_t count = random.below(sound ? 2 : arguments_max + 1); count > 0; --count)
    result.arguments.push_back(argument_of(random, what));
  result.arguments.insert(result.arguments.end(), what.ending.begin(), what.ending.end());
  for (size_t count = one_in(random, 3) ? 1 + random.below(3) : 0; count > 0; --count) {
    const auto name = pick(random, variables);
    if (one_in(random, 3))
      result.environment.emplace_back(name, std::nullopt);
    else
      result.environment.emplace_back(name, value_of(random));
  }
  result.closed_input = one_in(random, 8);
  result.output = descriptor_of(random);
  result.errors = descriptor_of(random);
  if (one_in(random, 10)) result.open_files_max = 4 + random.below(60);
  if (one_in(random, 10)) result.file_bytes_max = random.below(4'096);
  if (one_in(random, 10)) result.address_space_bytes_max = (400 + random.below(2'000)) << 20;
  constexpr std::array<uint32_t, 4> umasks{0, 022, 077, 0777};
  result.umask = umasks[random.below(umasks.size())];
  result.lost_folder = one_in(random, 20);
  return result;
}

std::string to_text(const invocation& what) {
  std::ostringstream text;
  const auto quoted = [](const std::string& word) {
    std::string result = "$'";
    constexpr const char* digits = "0123456789abcdef";
    for (const char c : word.substr(0, 80)) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= ' ' && byte < 0x7f && c != '\'' && c != '\\')
        result += c;
      else
        result += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    return result + (word.size() > 80 ? "...'" : "'");
  };
  text << std::oct << "umask " << what.umask << std::dec << "; ";
  if (what.lost_folder) text << "rmdir \"$PWD\"; ";
  if (what.open_files_max) text << "ulimit -n " << *what.open_files_max << "; ";
  if (what.file_bytes_max) text << "ulimit -f (bytes) " << *what.file_bytes_max << "; ";
  if (what.address_space_bytes_max)
    text << "ulimit -v " << (*what.address_space_bytes_max >> 10) << "; ";
  if (!what.environment.empty()) text << "env ";
  for (const auto& [name, value] : what.environment)
    text << (value ? name + "=" + quoted(*value) : "-u " + name) << ' ';
  text << "swarm";
  for (const auto& argument : what.arguments)
    text << ' ' << quoted(argument);
  constexpr std::array endings{"", ">&-", ">/dev/full", "| true"};
  if (what.closed_input) text << " <&-";
  text << ' ' << endings[static_cast<size_t>(what.output)];
  if (what.errors != descriptor::as_usual)
    text << " 2" << endings[static_cast<size_t>(what.errors)];
  return text.str();
}

}  // namespace swarm::tests
