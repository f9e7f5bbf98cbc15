#include "tensors/data/byte_source.hpp"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "tensors/data/file_kind.hpp"

namespace swarm::tensors {
namespace {

constexpr size_t piece_bytes = size_t{1} << 18;
static_assert(piece_bytes >= file_head_bytes);
constexpr int gzip_only = 15 + 16;  // zlib's window bits and its flag for gzip

data_error unreadable(const std::string& path, const std::string& why) {
  return make_data_error(data_errc::unreadable, quoted(path), why);
}

/// A file's bytes as they are, in full pieces but for the last.
class plain_file {
 public:
  explicit plain_file(const std::string& path) : path_(path), piece_(piece_bytes, '\0') {}

  std::optional<data_error> open() {
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) {
      const std::string why = std::strerror(errno);
      const auto meant = errno == ENOENT ? meant_file(path_) : "";
      return unreadable(path_, meant.empty() ? why : why + ", but " + quoted(meant) + " is there");
    }
    if (S_ISDIR(status.st_mode))
      return unreadable(path_, "it is a directory: name the files in it, such as " +
                                   quoted(path_ + (path_.back() == '/' ? "" : "/") + "*.bin"));
    file_.reset(std::fopen(path_.c_str(), "rb"));
    if (file_ == nullptr) return unreadable(path_, std::strerror(errno));
    return std::nullopt;
  }

  /// Empty: the end.
  std::string_view next() {
    return {piece_.data(), std::fread(piece_.data(), 1, piece_.size(), file_.get())};
  }

  std::optional<data_error> failure() const {
    if (std::ferror(file_.get()) == 0) return std::nullopt;
    return unreadable(path_, std::strerror(errno));
  }

 private:
  std::string path_;
  std::string piece_;
  std::unique_ptr<FILE, int (*)(FILE*)> file_{nullptr, &std::fclose};
};

/// All members of a gzip file, as gunzip does.
class gunzip {
 public:
  gunzip(const std::string& path, plain_file& from, const byte_sink& sink)
      : path_(path), from_(from), sink_(sink), out_(piece_bytes, '\0') {}
  ~gunzip() {
    if (started_) inflateEnd(&stream_);
  }
  gunzip(const gunzip&) = delete;
  gunzip& operator=(const gunzip&) = delete;

  std::optional<data_error> run(std::string_view first, std::vector<std::string>& notes) {
    if (inflateInit2(&stream_, gzip_only) != Z_OK)
      return make_data_error(data_errc::corrupt_gzip, quoted(path_), "zlib cannot start");
    started_ = true;
    take(first);
    for (;;) {
      if (auto error = member()) return error;
      bool another = false;
      if (auto error = behind(another, notes)) return error;
      if (!another) return flush();
      inflateReset(&stream_);
    }
  }

 private:
  void take(std::string_view piece) {
    // zlib's interface lacks const and does not write here.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream_.avail_in = static_cast<uInt>(piece.size());
  }

  /// False at the end of the file.
  bool fill() {
    if (stream_.avail_in == 0) take(from_.next());
    return stream_.avail_in != 0;
  }

  std::optional<data_error> flush() {
    const std::string_view piece{out_.data(), held_};
    held_ = 0;
    return piece.empty() ? std::nullopt : sink_(piece);
  }

  std::optional<data_error> member() {
    for (int state = Z_OK; state != Z_STREAM_END;) {
      const bool more = fill();
      if (auto error = from_.failure()) return error;
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data() + held_);
      stream_.avail_out = static_cast<uInt>(out_.size() - held_);
      state = inflate(&stream_, Z_NO_FLUSH);
      held_ = out_.size() - stream_.avail_out;
      if (held_ == out_.size()) {
        if (auto error = flush()) return error;
      } else if (state == Z_BUF_ERROR && !more) {
        return make_data_error(data_errc::truncated_gzip, quoted(path_), "");
      }
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
        return make_data_error(data_errc::corrupt_gzip, quoted(path_),
                               stream_.msg == nullptr ? "" : stream_.msg);
      }
    }
    return std::nullopt;
  }

  /// What follows a member: another one, zeros up to the end, or what is none of its business.
  std::optional<data_error> behind(bool& another, std::vector<std::string>& notes) {
    bool padded = false;
    while (fill()) {
      if (*stream_.next_in != 0) break;
      padded = true;
      ++stream_.next_in;
      --stream_.avail_in;
    }
    if (auto error = from_.failure()) return error;
    if (stream_.avail_in == 0) return std::nullopt;
    another = !padded && begins_member();
    if (!another) notes.push_back(quoted(path_) + ": what follows the gzip data is left out.");
    return std::nullopt;
  }

  /// The magic's two bytes may lie in two pieces.
  bool begins_member() {
    if (*stream_.next_in != 0x1f) return false;
    if (stream_.avail_in > 1) return stream_.next_in[1] == 0x8b;
    const auto rest = from_.next();
    if (rest.empty()) return false;
    seam_ = "\x1f" + std::string{rest};
    take(seam_);
    return seam_[1] == '\x8b';
  }

  std::string path_;
  plain_file& from_;
  const byte_sink& sink_;
  std::string out_;
  size_t held_ = 0;
  std::string seam_;
  z_stream stream_{};
  bool started_ = false;
};

}  // namespace

std::string quoted(const std::string& path) {
  return "'" + path + "'";
}

std::optional<data_error> read_pieces(const std::string& path, const byte_sink& sink,
                                      std::vector<std::string>& notes) {
  plain_file file{path};
  if (auto error = file.open()) return error;
  auto piece = file.next();
  if (is_gzip(piece)) return gunzip{path, file, sink}.run(piece, notes);
  for (; !piece.empty(); piece = file.next())
    if (auto error = sink(piece)) return error;
  return file.failure();
}

}  // namespace swarm::tensors
