#include "tensors/data/corpus.hpp"

#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "tensors/data/token_file.hpp"
#include "tensors/data/tokenizer.hpp"

namespace {

namespace fs = std::filesystem;
using namespace swarm::tensors;

/// A fresh folder for one case.
class folder {
 public:
  folder() {
    const char* root = std::getenv("TEST_TMPDIR");
    path_ = fs::path{root == nullptr ? "/tmp" : root} / "corpus";
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~folder() { fs::remove_all(path_); }

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream{path_ / name, std::ios::binary} << content;
    return (path_ / name).string();
  }

 private:
  fs::path path_;
};

std::string text_of(size_t length, uint32_t seed = 1) {
  std::mt19937 random{seed};
  std::string text;
  for (size_t i = 0; i < length; ++i)
    text += static_cast<char>(random() % 256);
  // Never gzip's magic.
  text[0] = 'a';
  return text;
}

std::string gzipped(const std::string& content) {
  z_stream stream{};
  BOOST_REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string result(content.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  BOOST_REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string shard_of(const std::vector<uint16_t>& tokens) {
  std::string bytes;
  for (uint16_t token : tokens) {
    bytes += static_cast<char>(token & 0xff);
    bytes += static_cast<char>(token >> 8);
  }
  return bytes;
}

std::string llmc_header(int32_t magic, int32_t version, int32_t count) {
  std::string header(shard_header_bytes, '\0');
  const int32_t fields[] = {magic, version, count};
  for (size_t i = 0; i < 12; ++i) {
    header[i] = static_cast<char>(static_cast<uint32_t>(fields[i / 4]) >> (8 * (i % 4)) & 0xff);
  }
  return header;
}

std::vector<uint16_t> counting(uint16_t begin, uint16_t end) {
  std::vector<uint16_t> tokens;
  for (uint16_t token = begin; token < end; ++token)
    tokens.push_back(token);
  return tokens;
}

corpus loaded(const corpus_source& source) {
  auto result = load_corpus(source);
  if (auto* error = std::get_if<data_error>(&result)) BOOST_FAIL(error->message);
  return std::get<corpus>(result);
}

void expect_error(const corpus_source& source, data_errc code, const std::string& words) {
  const auto result = load_corpus(source);
  const auto* error = std::get_if<data_error>(&result);
  BOOST_REQUIRE(error != nullptr);
  BOOST_TEST_CONTEXT(error->message) {
    BOOST_TEST((error->code == code));
    BOOST_TEST(error->message.find(words) != std::string::npos);
    BOOST_TEST(error->message.find(sentence(code)) != std::string::npos);
    BOOST_TEST(error->message.find(remedy(code)) != std::string::npos);
    BOOST_TEST(error->message.find('\n') == std::string::npos);
  }
}

std::vector<int32_t> values(const host_tensor& tensor) {
  return {tensor.as<int32_t>(), tensor.as<int32_t>() + tensor.elements()};
}

/// Tokens that are their own position, so that a batch shows where it came from.
corpus positions(uint16_t train, uint16_t validation) {
  return {counting(0, train), counting(train, static_cast<uint16_t>(train + validation)),
          train + validation};
}

}  // namespace

BOOST_AUTO_TEST_CASE(bytes_survive_the_tokenizer) {
  const auto text = text_of(5000);
  BOOST_TEST(decode_bytes(encode_bytes(text)) == text);
  BOOST_TEST(encode_bytes("\xff").front() == 255);
  BOOST_TEST(decode_bytes({65, 300}) == "A?");
}

BOOST_AUTO_TEST_CASE(text_is_split_at_the_last_tenth) {
  const folder files;
  const auto text = text_of(1005);
  const auto data = loaded({files.write("a.txt", text)});
  BOOST_TEST(data.vocabulary() == 256);
  BOOST_TEST(data.train().size() == 904u);  // int(n * 0.9), as nanoGPT cuts
  BOOST_TEST(decode_bytes(data.train()) + decode_bytes(data.validation()) == text);
  const auto half = loaded({files.write("a.txt", text), 0.5});
  BOOST_TEST(half.train().size() == 502u);
}

BOOST_AUTO_TEST_CASE(gzip_is_recognised_by_its_content) {
  const folder files;
  const auto text = text_of(700000);
  const auto packed = gzipped(text);
  for (const char* name : {"a.gz", "a.txt"}) {
    const auto data = loaded({files.write(name, packed)});
    BOOST_TEST((decode_bytes(data.train()) + decode_bytes(data.validation()) == text));
  }
  const auto plain = loaded({files.write("plain.gz", std::string(20, 'x'))});
  BOOST_TEST(plain.train().size() == 18u);
}

BOOST_AUTO_TEST_CASE(all_members_of_a_gzip_file_are_read) {
  const folder files;
  const auto data = loaded({files.write("a.gz", gzipped("abcdef") + gzipped("ghijklmnop"))});
  BOOST_TEST(decode_bytes(data.train()) + decode_bytes(data.validation()) == "abcdefghijklmnop");
}

BOOST_AUTO_TEST_CASE(shards_are_read_with_and_without_a_header) {
  const folder files;
  const auto tokens = counting(50000, 50257);
  const auto raw = loaded({files.write("a.bin", shard_of(tokens))});
  const auto header = llmc_header(shard_magic, shard_version, 257);
  const auto llmc = loaded({files.write("b.bin", header + shard_of(tokens))});
  const auto packed = loaded({files.write("c.bin.gz", gzipped(header + shard_of(tokens)))});
  for (const auto* data : {&raw, &llmc, &packed}) {
    BOOST_TEST(data->vocabulary() == 50257);
    BOOST_TEST(data->train() == counting(50000, 50231), boost::test_tools::per_element());
    BOOST_TEST(data->validation() == counting(50231, 50257), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_validation_sibling_is_found_by_its_name) {
  const std::pair<const char*, const char*> pairs[] = {
      {"train.bin", "val.bin"},
      {"tiny_shakespeare_train.bin", "tiny_shakespeare_val.bin"},
      {"fineweb_train_000001.bin", "fineweb_val_000000.bin"},
  };
  for (const auto& [train, validation] : pairs) {
    const folder files;
    const auto path = files.write(train, shard_of(counting(0, 100)));
    BOOST_TEST(loaded({path}).train().size() == 90u);
    files.write(validation, shard_of(counting(500, 520)));
    const auto data = loaded({path});
    BOOST_TEST(data.train().size() == 100u);
    BOOST_TEST(data.validation() == counting(500, 520), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(listed_shards_are_joined_and_sorted_into_splits) {
  const folder files;
  const auto first = files.write("x_train_000001.bin", shard_of(counting(0, 50)));
  const auto second = files.write("x_train_000002.bin", shard_of(counting(50, 90)));
  const auto validation = files.write("x_val_000003.bin", shard_of(counting(200, 230)));
  const auto data = loaded({first + "," + validation + "," + second});
  BOOST_TEST(data.train() == counting(0, 90), boost::test_tools::per_element());
  BOOST_TEST(data.validation() == counting(200, 230), boost::test_tools::per_element());
  BOOST_TEST(loaded({validation}).train().size() == 27u);
}

BOOST_AUTO_TEST_CASE(unreadable_sources_are_errors) {
  const folder files;
  expect_error({"/nowhere/corpus.txt"}, data_errc::unreadable, "'/nowhere/corpus.txt'");
  expect_error({"/"}, data_errc::unreadable, "directory");
  expect_error({""}, data_errc::unreadable, "no file is named");
  expect_error({","}, data_errc::unreadable, "no file is named");
  expect_error({files.write("a.txt", text_of(50)) + ",/nowhere/b"}, data_errc::unreadable,
               "/nowhere/b");
  expect_error({files.write("empty.txt", "")}, data_errc::empty, "empty.txt");
  expect_error({files.write("empty.gz", gzipped(""))}, data_errc::empty, "empty.gz");
  expect_error({files.write("none.bin", llmc_header(shard_magic, 1, 0))}, data_errc::empty,
               "none.bin");
}

BOOST_AUTO_TEST_CASE(splits_shorter_than_a_window_are_errors) {
  const folder files;
  const auto path = files.write("a.txt", text_of(100));
  BOOST_TEST(loaded({path, 0.1, 9}).validation().size() == 10u);
  expect_error({path, 0.1, 10}, data_errc::too_short, "validation split");
  expect_error({path, 0.9, 10}, data_errc::too_short, "training split");
  expect_error({path, 0.0, 1}, data_errc::bad_fraction, "0.0");
  expect_error({path, 1.0, 1}, data_errc::bad_fraction, "1.0");
  expect_error({path, std::nan(""), 1}, data_errc::bad_fraction, "nan");
}

BOOST_AUTO_TEST_CASE(damaged_gzip_is_an_error_wherever_it_is_cut) {
  const folder files;
  const auto packed = gzipped(text_of(3000));
  for (size_t length = 2; length < packed.size(); length += 97) {
    expect_error({files.write("a.gz", packed.substr(0, length))}, data_errc::truncated_gzip,
                 "a.gz");
  }
  expect_error({files.write("a.gz", packed.substr(0, packed.size() - 1))},
               data_errc::truncated_gzip, "a.gz");
  auto damaged = packed;
  damaged[damaged.size() - 6] ^= 1;  // the checksum
  expect_error({files.write("a.gz", damaged)}, data_errc::corrupt_gzip, "a.gz");
}

BOOST_AUTO_TEST_CASE(what_follows_gzip_data_is_taken_as_gunzip_does) {
  const folder files;
  const auto packed = gzipped("abcdefghijklmnop");
  const auto read = [&](const std::string& content) {
    const auto data = loaded({files.write("a.gz", content)});
    return std::make_pair(decode_bytes(data.train()) + decode_bytes(data.validation()),
                          data.notes());
  };
  // A tape's block is filled up with zeros; pieces of the file begin anywhere in them.
  for (const size_t zeros : {size_t{1}, size_t{2}, size_t{511}, size_t{1} << 20}) {
    const auto [text, notes] = read(packed + std::string(zeros, '\0'));
    BOOST_TEST(text == "abcdefghijklmnop");
    BOOST_TEST(notes.empty());
  }
  for (const std::string& rest :
       {std::string{"garbage"}, std::string{"\0garbage", 8}, std::string{"\x1f"},
        std::string{"\0", 1} + packed, std::string{"\x1fx"}}) {
    const auto [text, notes] = read(packed + rest);
    BOOST_TEST(text == "abcdefghijklmnop");
    BOOST_REQUIRE(notes.size() == 1u);
    BOOST_TEST(notes[0].find("left out") != std::string::npos);
  }
  BOOST_TEST(read(packed + packed + std::string(9, '\0')).first ==
             "abcdefghijklmnopabcdefghijklmnop");
  expect_error({files.write("a.gz", packed + packed.substr(0, 5))}, data_errc::truncated_gzip,
               "a.gz");
  expect_error({files.write("a.gz", packed + "\x1f\x8b no member")}, data_errc::corrupt_gzip,
               "a.gz");
}

BOOST_AUTO_TEST_CASE(a_second_member_is_found_across_two_pieces) {
  const folder files;
  // So that the second member's magic lies on either side of a border between pieces.
  const auto second = gzipped("the end");
  const auto text = text_of(size_t{1} << 18, 3);
  for (size_t shorter = 0; shorter < 40; ++shorter) {
    const auto first = gzipped(text.substr(0, text.size() - 60 - shorter));
    const auto data = loaded({files.write("a.gz", first + second)});
    const auto read = decode_bytes(data.train()) + decode_bytes(data.validation());
    BOOST_TEST(read.substr(read.size() - 7) == "the end");
  }
}

BOOST_AUTO_TEST_CASE(shards_that_lie_are_errors) {
  const folder files;
  const auto tokens = shard_of(counting(0, 100));
  auto llmc = [&](int32_t magic, int32_t version, int32_t count) {
    return files.write("a.bin", llmc_header(magic, version, count) + tokens);
  };
  expect_error({files.write("a.bin", tokens + "x")}, data_errc::odd_size, "201 bytes");
  expect_error({llmc(shard_magic, 1, 101)}, data_errc::wrong_header, "claims 101");
  expect_error({llmc(shard_magic, 1, 99)}, data_errc::wrong_header, "holds 100");
  expect_error({llmc(shard_magic, 1, -1)}, data_errc::wrong_header, "claims -1");
  expect_error({llmc(shard_magic, 2, 100)}, data_errc::unsupported_version, "version 2");
  expect_error({llmc(wide_shard_magic, 7, 50)}, data_errc::unsupported_version, "4-byte");
  expect_error({files.write("a.bin", llmc_header(shard_magic, 1, 0).substr(0, 100))},
               data_errc::wrong_header, "cut short");
}

BOOST_AUTO_TEST_CASE(a_shard_whose_bytes_are_something_else_is_refused_by_name) {
  const folder files;
  const auto refused = [&](const std::string& path, const std::string& words) {
    const auto result = load_corpus({path});
    const auto* error = std::get_if<data_error>(&result);
    BOOST_REQUIRE(error != nullptr);
    BOOST_TEST((error->code == data_errc::foreign_format));
    BOOST_TEST(error->message.find(words) != std::string::npos, error->message);
  };
  std::string wide;
  for (uint32_t token = 0; token < 400; ++token) {
    const uint32_t value = token * 321;  // beyond 65536 at the end
    for (int byte = 0; byte < 4; ++byte)
      wide += static_cast<char>(value >> (8 * byte) & 0xff);
  }
  refused(files.write("int32.bin", wide), "4-byte tokens");
  refused(files.write("text.bin", std::string(300, 'x') + "\n"), "text");
  refused(files.write("model.bin", "PK\x03\x04" + std::string(400, '\0')), "zip");
  const auto shard = shard_of(counting(0, 300));
  const auto path = files.write("mega.bin", shard);
  const std::string version{"\x01\0\0\0\0\0\0\0", 8};
  files.write("mega.idx", std::string{"MMIDIDX\0\0", 9} + version + "\x04");
  refused(path, "4-byte integers");
  files.write("mega.idx", std::string{"MMIDIDX\0\0", 9} + version + "\x08");
  BOOST_TEST(loaded({path}).train().size() == 270u);
}

BOOST_AUTO_TEST_CASE(memory_that_a_corpus_needs_is_told_before_it_is_read) {
  const folder files;
  const auto text = files.write("a.txt", std::string(100000, 'x'));
  const auto packed = files.write("a.gz", gzipped(std::string(100000, 'x')));
  // Members but the last one are not counted in a packed file's own size.
  const auto members =
      files.write("b.gz", gzipped(std::string(100000, 'x')) + gzipped(std::string(10, 'x')));
  const auto shard = files.write("a.bin", shard_of(std::vector<uint16_t>(100000, 3)));
  for (const auto& path : {text, packed, members, shard, text + "," + packed}) {
    corpus_source source{path};
    source.memory_bytes_max = path == members ? 199999 : 219999;
    const auto result = load_corpus(source);
    const auto* error = std::get_if<data_error>(&result);
    BOOST_REQUIRE(error != nullptr);
    BOOST_TEST((error->code == data_errc::out_of_memory));
    BOOST_TEST(error->bytes_needed > source.memory_bytes_max);
  }
  corpus_source source{text};
  source.memory_bytes_max = 220001;
  BOOST_TEST(loaded(source).train().size() == 90000u);
}

BOOST_AUTO_TEST_CASE(a_path_without_its_end_names_the_file_that_is_meant) {
  const folder files;
  const auto shard = files.write("corpus.bin", shard_of(counting(0, 300)));
  const auto prefix = shard.substr(0, shard.size() - 4);
  expect_error({prefix}, data_errc::unreadable, "'" + shard + "' is there");
  expect_error({prefix + ".idx"}, data_errc::unreadable, "'" + shard + "' is there");
}

BOOST_AUTO_TEST_CASE(tokens_beyond_the_vocabulary_are_an_error) {
  const folder files;
  const auto path = files.write("a.bin", shard_of(counting(0, 300)));
  BOOST_TEST(loaded({path, 0.1, 1, 300}).vocabulary() == 300);
  expect_error({path, 0.1, 1, 299}, data_errc::token_out_of_range, "token 299, vocabulary 299");
}

BOOST_AUTO_TEST_CASE(corpora_beyond_the_limit_are_errors_packed_or_not) {
  const folder files;
  const auto text = std::string(100000, 'x');
  const auto plain = files.write("a.txt", text);
  const auto packed = files.write("a.gz", gzipped(text));
  BOOST_TEST(loaded({plain, 0.1, 1, 0, 100000}).train().size() == 90000u);
  expect_error({plain, 0.1, 1, 0, 99999}, data_errc::too_large, "99999 bytes");
  expect_error({packed, 0.1, 1, 0, 99999}, data_errc::too_large, "99999 bytes");
  expect_error({plain + "," + plain, 0.1, 1, 0, 150000}, data_errc::too_large, "a.txt");
  const auto shard = files.write("a.bin", shard_of(counting(0, 2000)));
  expect_error({shard, 0.1, 1, 0, 1000}, data_errc::too_large, "a.bin");
}

BOOST_AUTO_TEST_CASE(a_microbatch_is_a_pure_function_of_its_arguments) {
  const auto data = positions(20000, 1000);
  const auto again = positions(20000, 1000);
  const auto first = values(microbatch(data, 7, 3, 2, 4, 16).inputs);
  microbatch(data, 1, 1, 1, 9, 3);
  BOOST_TEST(values(microbatch(again, 7, 3, 2, 4, 16).inputs) == first);
  BOOST_TEST(values(microbatch(data, 8, 3, 2, 4, 16).inputs) != first);
  BOOST_TEST(values(microbatch(data, 7, 4, 2, 4, 16).inputs) != first);
  BOOST_TEST(values(microbatch(data, 7, 3, 1, 4, 16).inputs) != first);
  BOOST_TEST(values(microbatch(data, 7, 2, 3, 4, 16).inputs) != first);
}

BOOST_AUTO_TEST_CASE(offsets_are_those_of_every_other_machine) {
  // A change here makes old runs impossible to repeat.
  const int64_t expected[] = {825987, 711556, 855899, 652950};
  for (int64_t row = 0; row < 4; ++row) {
    BOOST_TEST(microbatch_offset(1000000, 42, 5, 6, row, 64) == expected[row]);
  }
  BOOST_TEST(validation_offset(1064, 1, 64) == 500);
  BOOST_TEST(validation_offset(1064, 2, 64) == 250);
  BOOST_TEST(validation_offset(1064, 3, 64) == 750);
}

BOOST_AUTO_TEST_CASE(targets_are_the_inputs_one_token_later) {
  const auto data = positions(5000, 500);
  for (const auto& subject : {microbatch(data, 1, 2, 3, 8, 32), validation_batch(data, 2, 8, 32)}) {
    BOOST_TEST(subject.inputs.shape() == (std::vector<int64_t>{8, 32}),
               boost::test_tools::per_element());
    BOOST_TEST((subject.inputs.type() == dtype::i32 && subject.targets.type() == dtype::i32));
    const auto inputs = values(subject.inputs);
    const auto targets = values(subject.targets);
    for (size_t i = 0; i < inputs.size(); ++i) {
      BOOST_TEST(targets[i] == inputs[i] + 1);
      if (i % 32 != 0) BOOST_TEST(inputs[i] == inputs[i - 1] + 1);
    }
  }
}

BOOST_AUTO_TEST_CASE(batches_stay_within_their_split) {
  std::mt19937 generator{3};
  auto random = [&] { return static_cast<int64_t>(generator()); };
  for (int trial = 0; trial < 300; ++trial) {
    const int64_t context = 1 + random() % 20;
    const auto train = static_cast<uint16_t>(context + 1 + random() % 30);
    const auto validation = static_cast<uint16_t>(context + 1 + random() % 30);
    const auto data = positions(train, validation);
    const auto trained = microbatch(data, generator(), random(), random() % 64, 16, context);
    for (int32_t token : values(trained.targets))
      BOOST_TEST(token < train);
    const auto validated = validation_batch(data, random() % 1000, 16, context);
    for (int32_t token : values(validated.inputs))
      BOOST_TEST(token >= train);
    for (int32_t token : values(validated.targets))
      BOOST_TEST(token < train + validation);
  }
}

BOOST_AUTO_TEST_CASE(microbatches_cover_the_training_split_evenly) {
  constexpr int64_t tokens = 116, context = 16, bins = tokens - context, draws_per_bin = 400;
  std::vector<int64_t> seen(bins, 0);
  for (int64_t draw = 0; draw < bins * draws_per_bin; ++draw) {
    ++seen[static_cast<size_t>(
        microbatch_offset(tokens, 9, draw / 64, draw / 4 % 16, draw % 4, context))];
  }
  double chi_squared = 0;
  for (int64_t count : seen) {
    const double excess = static_cast<double>(count - draws_per_bin);
    chi_squared += excess * excess / draws_per_bin;
  }
  // 99 degrees of freedom: 1 in 10^4 lies above 161 and 1 in 10^4 below 53.
  BOOST_TEST(chi_squared < 161);
  BOOST_TEST(chi_squared > 53);
}

BOOST_AUTO_TEST_CASE(rows_and_microbatches_do_not_repeat_each_other) {
  std::set<int64_t> offsets;
  for (int64_t step = 0; step < 10; ++step) {
    for (int64_t index = 0; index < 10; ++index) {
      for (int64_t row = 0; row < 10; ++row) {
        offsets.insert(microbatch_offset(int64_t{1} << 40, 0, step, index, row, 8));
      }
    }
  }
  BOOST_TEST(offsets.size() == 1000u);
}

BOOST_AUTO_TEST_CASE(validation_windows_are_spread_evenly) {
  constexpr int64_t tokens = 10064, context = 64;
  for (int64_t windows : {1, 2, 8, 64}) {
    std::set<int64_t> offsets;
    for (int64_t window = 0; window < windows; ++window) {
      offsets.insert(validation_offset(tokens, window, context));
    }
    BOOST_TEST(offsets.size() == static_cast<size_t>(windows));
    int64_t before = -1;
    for (int64_t offset : offsets) {
      if (before >= 0) BOOST_TEST(std::abs(offset - before - 10000 / windows) <= 1);
      before = offset;
    }
  }
}

BOOST_AUTO_TEST_CASE(a_corpus_is_copied_as_a_handle) {
  const auto data = positions(100, 100);
  const auto copy = data;
  BOOST_TEST(&copy.train() == &data.train());
}
