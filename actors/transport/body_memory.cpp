#include "actors/transport/body_memory.hpp"

#include <map>
#include <mutex>

namespace swarm::transport {

namespace {

constexpr size_t word_bytes = sizeof(capnp::word);

/// Blocks are of 2^k or 3 * 2^k bytes: at most half again as large as what is asked for.
size_t block_bytes(size_t bytes) {
  if (bytes > spare_bytes_max) return bytes;
  size_t size = spare_body_bytes_min;
  while (size < bytes) {
    if (size + size / 2 >= bytes) return size + size / 2;
    size *= 2;
  }
  return size;
}

class spare_blocks final : public kj::ArrayDisposer {
 public:
  kj::Array<capnp::word> take(size_t words) {
    const size_t size = block_bytes(words * word_bytes);
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      const auto found = blocks_.find(size);
      if (found != blocks_.end()) {
        void* block = found->second;
        blocks_.erase(found);
        spare_bytes_ -= size;
        return {static_cast<capnp::word*>(block), words, *this};
      }
    }
    return {static_cast<capnp::word*>(::operator new(size)), words, *this};
  }

 private:
  void disposeImpl(void* first, size_t element_size, size_t element_count, size_t,
                   void (*)(void*)) const override {
    const size_t size = block_bytes(element_size * element_count);
    {
      const std::lock_guard<std::mutex> guard{mutex_};
      // Those of sizes that are not in use make place.
      for (auto at = blocks_.begin();
           at != blocks_.end() && spare_bytes_ + size > spare_bytes_max;) {
        if (at->first == size) {
          ++at;
          continue;
        }
        ::operator delete(at->second);
        spare_bytes_ -= at->first;
        at = blocks_.erase(at);
      }
      if (spare_bytes_ + size <= spare_bytes_max) {
        blocks_.emplace(size, first);
        spare_bytes_ += size;
        return;
      }
    }
    ::operator delete(first);
  }

  mutable std::mutex mutex_;
  mutable std::multimap<size_t, void*> blocks_;
  mutable size_t spare_bytes_ = 0;
};

}  // namespace

kj::Array<capnp::word> allocate_body(size_t words) {
  if (words * word_bytes < spare_body_bytes_min) return kj::heapArray<capnp::word>(words);
  // Never destroyed: frames may outlive every endpoint.
  static spare_blocks* const blocks = new spare_blocks;
  return blocks->take(words);
}

}  // namespace swarm::transport
