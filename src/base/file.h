#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace halftone {

namespace fs = std::filesystem;

/// A whole file, mapped read-only. Pages are read when touched.
class MappedFile {
 public:
  /// Throws InputError when the path is missing, unreadable or not a regular file.
  static std::shared_ptr<const MappedFile> open(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const fs::path& path() const { return path_; }

  /// Tells the kernel that these pages are no longer needed (they come back from the file when touched).
  void release(std::span<const std::byte> part) const;

 private:
  MappedFile(fs::path path, const std::byte* data, size_t size);
  fs::path path_;
  const std::byte* data_;
  size_t size_;
};

/// The whole text of a file of at most `limit` bytes. Throws InputError.
std::string read_text(const fs::path& path, size_t limit = size_t{1} << 30);

/// Writes to a temporary name beside `path` and renames on commit(), so a crash or a full disk leaves the old
/// file or the new one. Without commit() the temporary file is removed. Throws ResourceError when a write
/// fails.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// The next write goes to this byte of the file.
  void seek(size_t offset);
  void commit();

 private:
  fs::path path_;
  fs::path temporary_;
  std::FILE* file_ = nullptr;
};

/// Fills a folder under a temporary name beside `target` and renames it on commit(): the target is there
/// whole or not at all. An existing target is replaced only when it is empty or `replaceable` says so by
/// holding `marker`. While it is filled it is locked, so that whoever writes the same target takes it for no
/// leftover; leftovers go away. Process numbers would not tell: containers that share a disk count their own.
class AtomicFolder {
 public:
  AtomicFolder(fs::path target, std::string_view marker);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const fs::path& path() const { return temporary_; }
  void commit();

 private:
  fs::path target_;
  fs::path temporary_;
  int lock_;  ///< the open temporary folder
  bool committed_ = false;
};

}  // namespace halftone
