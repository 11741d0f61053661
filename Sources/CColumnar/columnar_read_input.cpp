#include <arrow/buffer.h>
#include <arrow/util/future.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "columnar_read_file.h"

// Bytes in, memory out.

namespace ns::columnar {

// MARK: Memory

arrow::Status LimitedPool::add(int64_t size) {
  const int64_t used = used_ += size;
  if (used > limit_) {
    used_ -= size;
    return arrow::Status::OutOfMemory("decoding needs more than ", limit_, " bytes at once");
  }
  total_ += size;
  if (used > peak_) peak_ = used;
  return arrow::Status::OK();
}

void LimitedPool::leave() {
  if (--users_ == 0) delete this;
}

namespace {

/// Pieces of memory that were given back, for whoever needs one of their size next.
///
/// Column after column needs the same sizes, and memory that was just used is in the nearest cache,
/// while fresh memory has to be cleared by the system first. One for the whole process, because a
/// file is open for one lease only.
class SparePieces {
 public:
  static constexpr int64_t kLeast = 32 << 10, kLargest = 8 << 20, kLimit = 48 << 20;

  static SparePieces &shared() {
    static SparePieces *const pieces = new SparePieces;  // arrays may outlive all statics
    return *pieces;
  }

  /// The size that is really taken for `size` bytes: three bits of it, rounded up.
  static int64_t rounded(int64_t size) {
    if (size < kLeast || size > kLargest) return size;
    const int shift = 61 - __builtin_clzll(static_cast<uint64_t>(size - 1));
    return (((size - 1) >> shift) + 1) << shift;
  }

  uint8_t *take(int64_t size) {
    if (size < kLeast || size > kLargest) return nullptr;
    const std::lock_guard guard(mutex_);
    auto &spare = spare_[place(size)];
    if (spare.empty()) return nullptr;
    uint8_t *piece = spare.back();
    spare.pop_back();
    kept_ -= size;
    return piece;
  }

  /// Keeps a piece of a rounded size; false where it is not wanted.
  bool keep(uint8_t *piece, int64_t size) {
    if (size < kLeast || size > kLargest) return false;
    const std::lock_guard guard(mutex_);
    if (kept_ + size > kLimit) return false;
    try {
      spare_[place(size)].push_back(piece);
    } catch (...) {
      return false;
    }
    kept_ += size;
    return true;
  }

 private:
  /// A number for each rounded size from kLeast to kLargest.
  static size_t place(int64_t size) {
    const int shift = 61 - __builtin_clzll(static_cast<uint64_t>(size - 1));
    return static_cast<size_t>((shift - 12) * 4 + (((size - 1) >> shift) - 4) + 1);
  }

  std::mutex mutex_;
  std::array<std::vector<uint8_t *>, 48> spare_;
  int64_t kept_ = 0;
};

/// What pieces that are kept are aligned to: all that Arrow asks for.
constexpr int64_t kAlignment = 64;

}  // namespace

arrow::Status LimitedPool::Allocate(int64_t size, int64_t alignment, uint8_t **out) {
  const int64_t whole = alignment > kAlignment ? size : SparePieces::rounded(size);
  ARROW_RETURN_NOT_OK(add(whole));
  arrow::Status status;
  *out = alignment > kAlignment ? nullptr : SparePieces::shared().take(whole);
  if (*out == nullptr) status = inner_->Allocate(whole, std::max(alignment, kAlignment), out);
  if (status.ok()) {
    users_++;
    count_++;
  } else {
    used_ -= whole;
  }
  return status;
}

arrow::Status LimitedPool::Reallocate(int64_t old_size, int64_t new_size, int64_t alignment,
                                      uint8_t **pointer) {
  count_++;
  if (alignment <= kAlignment) {
    const bool is_rounded = old_size >= SparePieces::kLeast;
    old_size = SparePieces::rounded(old_size);
    new_size = SparePieces::rounded(new_size);
    if (old_size == new_size && is_rounded) return arrow::Status::OK();
  }
  const int64_t added = new_size - old_size;
  ARROW_RETURN_NOT_OK(add(added));
  const arrow::Status status = inner_->Reallocate(
      old_size, new_size, std::max(alignment, kAlignment), pointer);
  if (!status.ok()) used_ -= added;
  return status;
}

void LimitedPool::Free(uint8_t *buffer, int64_t size, int64_t alignment) {
  const int64_t whole = alignment > kAlignment ? size : SparePieces::rounded(size);
  if (alignment > kAlignment || !SparePieces::shared().keep(buffer, whole)) {
    inner_->Free(buffer, whole, std::max(alignment, kAlignment));
  }
  used_ -= whole;
  leave();
}

// MARK: Bytes

void Input::read_whole(int64_t offset, int64_t count, void *to) {
  if (offset < 0 || count < 0 || offset > source_.size || count > source_.size - offset) {
    throw Failure{ns_columnar_damaged,
                  "bytes " + std::to_string(offset) + " and the next " + std::to_string(count) +
                      " are not in the file of " + std::to_string(source_.size) + " bytes"};
  }
  check(ReadAt(offset, count, to).status());
}

arrow::Result<int64_t> Input::ReadAt(int64_t offset, int64_t count, void *to) {
  if (offset < 0 || count < 0 || offset > source_.size) {
    return arrow::Status::Invalid("byte ", offset, " is not in the file of ", source_.size,
                                  " bytes");
  }
  if (has_failed_) return arrow::Status::IOError("the input cannot be read");
  count = std::min(count, source_.size - offset);
  if (count == 0) return 0;
  if (source_.read_at(source_.context, offset, count, static_cast<uint8_t *>(to)) != 0) {
    has_failed_ = true;
    return arrow::Status::IOError("the input cannot be read at byte ", offset);
  }
  return count;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Input::ReadAt(int64_t offset, int64_t count) {
  if (offset < 0 || count < 0 || offset > source_.size) {
    return arrow::Status::Invalid("byte ", offset, " is not in the file of ", source_.size,
                                  " bytes");
  }
  // Before memory is taken: a length that is a lie must not become an allocation.
  count = std::min(count, source_.size - offset);
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(count, pool_));
  ARROW_RETURN_NOT_OK(ReadAt(offset, count, buffer->mutable_data()).status());
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

arrow::Result<int64_t> Input::Read(int64_t count, void *to) {
  ARROW_ASSIGN_OR_RAISE(const int64_t done, ReadAt(position_, count, to));
  position_ += done;
  return done;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Input::Read(int64_t count) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, count));
  position_ += buffer->size();
  return buffer;
}

arrow::Result<int64_t> Input::ReadAt(int64_t offset, int64_t count, bool may_be_short, void *to) {
  ARROW_ASSIGN_OR_RAISE(const int64_t done, ReadAt(offset, count, to));
  if (done == count || may_be_short) return done;
  return arrow::Status::IOError("the file ends before byte ", offset + count);
}

arrow::Result<std::shared_ptr<arrow::Buffer>> Input::ReadAt(int64_t offset, int64_t count,
                                                            bool may_be_short) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(offset, count));
  if (buffer->size() == count || may_be_short) return buffer;
  return arrow::Status::IOError("the file ends before byte ", offset + count);
}

arrow::Future<std::shared_ptr<arrow::Buffer>> Input::ReadAsync(const arrow::io::IOContext &,
                                                               int64_t offset, int64_t count) {
  return arrow::Future<std::shared_ptr<arrow::Buffer>>::MakeFinished(ReadAt(offset, count));
}

arrow::Future<std::shared_ptr<arrow::Buffer>> Input::ReadAsync(const arrow::io::IOContext &,
                                                               int64_t offset, int64_t count,
                                                               bool may_be_short) {
  return arrow::Future<std::shared_ptr<arrow::Buffer>>::MakeFinished(
      ReadAt(offset, count, may_be_short));
}

arrow::Status Input::Seek(int64_t position) {
  if (position < 0 || position > source_.size) {
    return arrow::Status::Invalid("byte ", position, " is not in the file");
  }
  position_ = position;
  return arrow::Status::OK();
}

}  // namespace ns::columnar
