#include "base/file.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/mapped_files.h"

namespace halftone {
namespace {

std::string reason() {
  return std::strerror(errno);
}

class FileDescriptor {
 public:
  /// Without waiting: a named pipe that nobody writes to would never open.
  FileDescriptor(const fs::path& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK)) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct stat regular_file(const FileDescriptor& file, const fs::path& path) {
  if (file.get() < 0) throw InputError("{}: cannot open: {}", path.string(), reason());
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw InputError("{}: cannot read: {}", path.string(), reason());
  if (!S_ISREG(info.st_mode)) throw InputError("{}: expected a file, found something else", path.string());
  return info;
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileIdentity identity_of(const struct stat& info) {
  return {info.st_dev, info.st_ino, static_cast<uint64_t>(info.st_size), nanoseconds(info.st_mtim),
          nanoseconds(info.st_ctim)};
}

/// What open_mappings() answers from.
class Mappings {
 public:
  static Mappings& all() {
    static Mappings mappings;
    return mappings;
  }
  void add(const std::shared_ptr<const MappedFile>& file, const struct stat& info) {
    const std::lock_guard lock(mutex_);
    std::erase_if(list_, [](const auto& known) { return known.first.expired(); });
    list_.push_back({file, identity_of(info)});
  }
  std::vector<OpenMapping> open() {
    const std::lock_guard lock(mutex_);
    std::vector<OpenMapping> result;
    for (const auto& [file, identity] : list_)
      if (auto held = file.lock()) result.push_back({std::move(held), identity});
    return result;
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::weak_ptr<const MappedFile>, FileIdentity>> list_;
};

fs::path temporary_name(const fs::path& path, int number = ::getpid()) {
  fs::path clean = path.has_filename() ? path : path.parent_path();
  return clean.parent_path() / fmt::format(".{}.{}.tmp", clean.filename().string(), number);
}

/// Where a chain of symbolic links ends: what they lead to is replaced, not the link.
fs::path behind_links(fs::path path) {
  constexpr int kMostLinks = 40;
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(fs::symlink_status(path, error)); ++i)
    path = path.parent_path() / fs::read_symlink(path);
  return path;
}

/// Whether a file is written as it goes: a pipe or a device cannot be replaced, and standard output under
/// another name must not be.
bool is_stream(const fs::path& path) {
  const fs::path where = fs::absolute(path).lexically_normal();
  if (where.parent_path() == "/dev" || where.parent_path() == "/dev/fd" ||
      where.string().starts_with("/proc/"))
    return true;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

/// Whether temporary_name() gives a folder this name while `target` is written.
bool is_temporary(const std::string& name, const fs::path& target) {
  const std::string front = fmt::format(".{}.", target.filename().string());
  if (!name.starts_with(front)) return false;
  int number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + front.size(), end, number);
  return error == std::errc() && std::string_view(rest, end) == ".tmp";
}

/// Folders left unfinished beside the target: a quantization that was ended leaves gigabytes. Where the lock
/// cannot be had, be it that the file system knows none, a folder stays.
void remove_leftovers(const fs::path& target) {
  std::error_code error, ignored;
  const fs::path beside = target.has_parent_path() ? target.parent_path() : fs::path(".");
  for (fs::directory_iterator entry(beside, error), end; !error && entry != end; entry.increment(error)) {
    if (!is_temporary(entry->path().filename().string(), target)) continue;
    const FileDescriptor folder(entry->path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (folder.get() >= 0 && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0)
      fs::remove_all(entry->path(), ignored);
  }
}

bool is_the_same(int file, const fs::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

/// Makes a folder for `target` under the first temporary name that is free, and locks it: whoever took it for
/// a leftover before that has removed it. The lock is shared, since NFS gives no other on a folder.
std::pair<fs::path, int> make_locked_folder(const fs::path& target) {
  const auto refuse = [](const fs::path& folder, const std::string& why) {
    throw ResourceError("{}: cannot create the folder: {}", folder.string(), why);
  };
  std::error_code error;
  if (target.has_parent_path()) fs::create_directories(target.parent_path(), error);
  if (error) refuse(target.parent_path(), error.message());
  for (int number = ::getpid();; ++number) {
    const fs::path folder = temporary_name(target, number);
    const bool made = ::mkdir(folder.c_str(), 0777) == 0;
    if (!made && errno != EEXIST) refuse(folder, reason());
    if (!made) continue;
    const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 && errno != ENOENT) refuse(folder, reason());
    if (file < 0) continue;
    ::flock(file, LOCK_SH);
    if (is_the_same(file, folder)) return {folder, file};
    ::close(file);
  }
}

void sync_to_disk(const fs::path& path, int flags) {
  FileDescriptor file(path, flags);
  if (file.get() >= 0) ::fsync(file.get());
}

}  // namespace

MappedFile::MappedFile(fs::path path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  FileDescriptor file(path, O_RDONLY);
  const struct stat info = regular_file(file, path);
  const auto size = static_cast<size_t>(info.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED)
      throw ResourceError("{}: cannot map {} bytes: {}", path.string(), size, reason());
    data = static_cast<const std::byte*>(address);
  }
  const std::shared_ptr<const MappedFile> mapped(new MappedFile(path, data, size));
  Mappings::all().add(mapped, info);
  return mapped;
}

std::vector<OpenMapping> open_mappings() {
  return Mappings::all().open();
}

bool is_mapped(std::span<const std::byte> bytes) {
  const std::vector<OpenMapping> mappings = open_mappings();
  return std::any_of(mappings.begin(), mappings.end(), [&](const OpenMapping& mapping) {
    const std::span<const std::byte> all = mapping.file->bytes();
    return bytes.data() >= all.data() && bytes.data() + bytes.size() <= all.data() + all.size();
  });
}

bool is_as_opened(const OpenMapping& mapping) {
  struct stat info {};
  return ::stat(mapping.file->path().c_str(), &info) == 0 && identity_of(info) == mapping.identity;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  uintptr_t begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  uintptr_t end = reinterpret_cast<uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::string read_text(const fs::path& path, size_t limit) {
  FileDescriptor file(path, O_RDONLY);
  const auto size = static_cast<size_t>(regular_file(file, path).st_size);
  if (size > limit) throw InputError("{}: expected at most {} bytes, found {}", path.string(), limit, size);
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    ssize_t got = ::read(file.get(), text.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw InputError("{}: cannot read: {}", path.string(), reason());
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  text.resize(done);
  return text;
}

AtomicFile::AtomicFile(fs::path path)
    : path_(is_stream(path) ? std::move(path) : behind_links(std::move(path))),
      temporary_(is_stream(path_) ? fs::path() : temporary_name(path_)) {
  const fs::path& opened = temporary_.empty() ? path_ : temporary_;
  file_ = std::fopen(opened.c_str(), "wb");
  if (!file_) throw ResourceError("{}: cannot create: {}", opened.string(), reason());
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size())
    throw ResourceError("{}: cannot write {} bytes: {}", path_.string(), bytes.size(), reason());
}

void AtomicFile::seek(size_t offset) {
  if (::fseeko(file_, static_cast<off_t>(offset), SEEK_SET) != 0)
    throw ResourceError("{}: cannot write: {}", path_.string(), reason());
}

void AtomicFile::commit() {
  if (std::fflush(file_) != 0 || (!temporary_.empty() && ::fsync(::fileno(file_)) != 0))
    throw ResourceError("{}: cannot write: {}", path_.string(), reason());
  std::fclose(file_);
  file_ = nullptr;
  if (temporary_.empty()) return;
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (!error) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
  throw ResourceError("{}: cannot rename into place: {}", path_.string(), error.message());
}

AtomicFolder::AtomicFolder(fs::path target, std::string_view marker)
    : target_(behind_links(target.has_filename() ? std::move(target) : target.parent_path())), lock_(-1) {
  if (fs::exists(target_) &&
      !(fs::is_directory(target_) && (fs::is_empty(target_) || fs::exists(target_ / marker))))
    throw InputError("{}: exists and was not written by Halftone; choose another output folder",
                     target_.string());
  remove_leftovers(target_);
  std::tie(temporary_, lock_) = make_locked_folder(target_);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
  ::close(lock_);
}

void AtomicFolder::commit() {
  sync_to_disk(temporary_, O_RDONLY | O_DIRECTORY);
  fs::path old = temporary_;
  old += ".old";
  std::error_code error;
  const bool replaces = fs::exists(target_);
  if (replaces) fs::rename(target_, old, error);
  if (!error) fs::rename(temporary_, target_, error);
  if (error) {
    std::error_code ignored;
    if (replaces && !fs::exists(target_)) fs::rename(old, target_, ignored);
    throw ResourceError("{}: cannot put the folder into place: {}", target_.string(), error.message());
  }
  committed_ = true;
  fs::remove_all(old, error);
}

}  // namespace halftone
