#include "tensors/data/data_error.hpp"

namespace swarm::tensors {
namespace {

struct text {
  const char* sentence;
  const char* remedy;
};

text text_of(data_errc code) {
  switch (code) {
    case data_errc::unreadable:
      return {"the file cannot be read", "check the path and its permissions"};
    case data_errc::empty:
      return {"there are no tokens", "name a file with text or tokens in it"};
    case data_errc::too_short:
      return {"a split is shorter than one sequence and its target",
              "use a longer corpus, a shorter context or another validation fraction"};
    case data_errc::too_large:
      return {"the corpus is larger than the limit", "name fewer or smaller shards"};
    case data_errc::truncated_gzip:
      return {"the gzip data ends too early", "fetch the file again"};
    case data_errc::corrupt_gzip:
      return {"the gzip data is damaged", "fetch the file again"};
    case data_errc::odd_size:
      return {"a shard of 2-byte tokens has an odd number of bytes", "write the shard again"};
    case data_errc::wrong_header:
      return {"the shard's header does not describe its content", "write the shard again"};
    case data_errc::unsupported_version:
      return {"the shard's format is not one this program reads",
              "write it as llm.c's version 1 or as nanoGPT's plain uint16"};
    case data_errc::token_out_of_range:
      return {"a token lies outside of the vocabulary",
              "use a larger vocabulary or the tokenizer that the model was made for"};
    case data_errc::bad_fraction:
      return {"the validation fraction does not lie between 0 and 1", "use 0.1, the usual share"};
    case data_errc::foreign_format:
      return {"the file is neither text nor token shards", "name a text or a .bin of token shards"};
    case data_errc::out_of_memory:
      return {"the corpus does not fit into memory", "name fewer or smaller files"};
  }
  return {"unknown error", "report it"};
}

}  // namespace

const char* sentence(data_errc code) {
  return text_of(code).sentence;
}

const char* remedy(data_errc code) {
  return text_of(code).remedy;
}

data_error make_data_error(data_errc code, const std::string& where, const std::string& detail) {
  std::string message = where.empty() ? "" : where + ": ";
  message += sentence(code);
  if (!detail.empty()) message += " (" + detail + ")";
  return {code, message + "; " + remedy(code) + ".", 0};
}

}  // namespace swarm::tensors
