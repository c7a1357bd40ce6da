#include "runtime/plan_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/thread_pool.h"

namespace halftone {
namespace {

constexpr uint64_t kAlignment = 4096;
constexpr std::string_view kTemporary = ".plan-being-written.";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

/// The file, mapped, or null when there is none. Only what this user alone could have written.
std::shared_ptr<const std::byte> map(const fs::path& path, uint64_t& size) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return nullptr;
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0)
    throw InputError("{}: cannot read: {}", path.string(), std::strerror(errno));
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 022) != 0)
    throw InputError("{}: expected a file that this user alone can write", path.string());
  size = static_cast<uint64_t>(info.st_size);
  if (size < sizeof(PlanFileHeader))
    throw InputError("{}: expected a header of {} bytes, found {} in all", path.string(),
                     sizeof(PlanFileHeader), size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file.get(), 0);
  if (memory == MAP_FAILED) throw ResourceError("{}: cannot map: {}", path.string(), std::strerror(errno));
  return {static_cast<const std::byte*>(memory),
          [size](const std::byte* p) { ::munmap(const_cast<std::byte*>(p), size); }};
}

/// Bytes of the name and of the table, when they lie inside the file.
std::optional<uint64_t> front_bytes(const PlanFileHeader& header, uint64_t size) {
  const auto table = checked_mul(header.blocks, uint64_t{sizeof(PlanFileBlock)});
  if (!table || header.name_bytes > kPlanNameMax) return std::nullopt;
  const uint64_t before = sizeof(header) + header.name_bytes;
  if (before > size || *table > size - before) return std::nullopt;
  return before + *table;
}

/// Of header, name and table, the digest's own place taken as zeros.
Digest front_digest(std::span<const std::byte> front, const KeyedHash& hash) {
  std::vector<std::byte> copy(front.begin(), front.end());
  std::memset(copy.data() + offsetof(PlanFileHeader, digest), 0, sizeof(Digest));
  return hash(copy);
}

/// Writes a whole file under a temporary name; it goes away unless it is committed.
class NewFile {
 public:
  explicit NewFile(const fs::path& path)
      : path_(path),
        temporary_(path.parent_path() / fmt::format("{}XXXXXX", kTemporary)),
        file_(make_temporary()) {
    if (file_.get() < 0) fail();
    ::flock(file_.get(), LOCK_EX);  // is_left_unfinished()
  }
  ~NewFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }
  void write(std::span<const std::byte> bytes, uint64_t offset) {
    while (!bytes.empty()) {
      const ssize_t done = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) fail();
      bytes = bytes.subspan(static_cast<size_t>(done));
      offset += static_cast<uint64_t>(done);
    }
  }
  void resize(uint64_t bytes) {
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) fail();
  }
  void commit() {
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
    committed_ = true;
  }

 private:
  int make_temporary() {
    std::string name = temporary_.string();
    const int file = ::mkostemp(name.data(), O_CLOEXEC);
    temporary_ = name;
    return file;
  }
  [[noreturn]] void fail() const {
    throw ResourceError("{}: cannot write: {}", temporary_.string(), std::strerror(errno));
  }
  fs::path path_, temporary_;
  Descriptor file_;
  bool committed_ = false;
};

/// Writes a file from its first byte on, whole huge pages at a time: file systems that keep what is written
/// together in one page map it so, too.
class HugePageWriter {
 public:
  explicit HugePageWriter(NewFile& file) : file_(file), page_(kHugePage) {}
  /// At an offset that is not before the end; zeros up to there.
  void write(std::span<const std::byte> bytes, uint64_t offset) {
    if (end_ < offset) write(std::vector<std::byte>(offset - end_), end_);
    while (!bytes.empty()) {
      const size_t whole = end_ % kHugePage == 0 ? bytes.size() / kHugePage * kHugePage : 0;
      if (whole > 0) file_.write(bytes.first(whole), end_);
      end_ += whole;
      bytes = bytes.subspan(whole > 0 ? whole : collect(bytes));
    }
  }
  void finish() {
    const size_t used = end_ % kHugePage;
    if (used > 0) file_.write(std::span(page_).first(used), end_ - used);
  }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;

  /// As much as the page takes.
  size_t collect(std::span<const std::byte> bytes) {
    const size_t used = end_ % kHugePage, count = std::min(kHugePage - used, bytes.size());
    std::memcpy(page_.data() + used, bytes.data(), count);
    end_ += count;
    if (end_ % kHugePage == 0) file_.write(page_, end_ - kHugePage);
    return count;
  }

  NewFile& file_;
  std::vector<std::byte> page_;
  uint64_t end_ = 0;
};

}  // namespace

std::unique_ptr<PlanFile> PlanFile::open(const fs::path& path, const Digest& key, const KeyedHash& hash,
                                         ThreadPool& threads) {
  uint64_t size = 0;
  auto file = std::make_unique<PlanFile>();
  file->data = map(path, size);
  if (!file->data) return nullptr;
  const std::span<const std::byte> bytes(file->data.get(), size);
  PlanFileHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const auto refuse = [&](const char* what) { throw InputError("{}: {}", path.string(), what); };
  if (std::memcmp(header.magic, kPlanFileMagic, sizeof(kPlanFileMagic)) != 0) refuse("is no plan file");
  if (header.key != key) refuse("holds another plan");
  if (header.file_bytes != size) refuse("is not as long as its header says");
  const auto front = front_bytes(header, size);
  if (!front) refuse("its table lies beyond its end");
  if (front_digest(bytes.first(*front), hash) != header.digest) refuse("its table was changed");

  file->name.assign(reinterpret_cast<const char*>(bytes.data()) + sizeof(header), header.name_bytes);
  file->blocks.resize(header.blocks);
  if (header.blocks > 0)
    std::memcpy(file->blocks.data(), bytes.data() + sizeof(header) + header.name_bytes,
                header.blocks * sizeof(PlanFileBlock));
  uint64_t end = *front;
  for (const PlanFileBlock& block : file->blocks) {
    if (block.offset < end || block.offset % kAlignment != 0 || block.offset > size ||
        block.bytes > size - block.offset)
      refuse("a constant does not lie where it can");
    end = block.offset + block.bytes;
  }
  for (const PlanFileBlock& block : file->blocks)
    if (hash.in_pieces(bytes.subspan(block.offset, block.bytes), threads) != block.digest)
      refuse("a constant was changed");
  return file;
}

std::optional<std::string> plan_file_name(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  PlanFileHeader header;
  if (::read(file.get(), &header, sizeof(header)) != sizeof(header) ||
      std::memcmp(header.magic, kPlanFileMagic, sizeof(kPlanFileMagic)) != 0 ||
      header.name_bytes > kPlanNameMax)
    return std::nullopt;
  std::string name(header.name_bytes, '\0');
  if (::read(file.get(), name.data(), name.size()) != static_cast<ssize_t>(name.size())) return std::nullopt;
  return name;
}

bool is_left_unfinished(const fs::path& path) {
  if (!path.filename().string().starts_with(kTemporary)) return false;
  const Descriptor file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return file.get() >= 0 && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0;
}

void write_plan_file(const fs::path& path, const Digest& key, const std::string& name,
                     const std::vector<PackedBlock>& blocks, const KeyedHash& hash, ThreadPool& threads) {
  PlanFileHeader header{};
  std::memcpy(header.magic, kPlanFileMagic, sizeof(kPlanFileMagic));
  header.key = key;
  header.name_bytes = std::min<uint64_t>(name.size(), kPlanNameMax);
  header.blocks = blocks.size();
  std::vector<PlanFileBlock> table;
  const uint64_t front = sizeof(header) + header.name_bytes + blocks.size() * sizeof(PlanFileBlock);
  NewFile file(path);
  HugePageWriter writer(file);
  header.file_bytes = front;
  for (const PackedBlock& block : blocks) {
    const std::span<const std::byte> bytes(block.data.get(), block.bytes);
    table.push_back({round_up(header.file_bytes, kAlignment), block.bytes, hash.in_pieces(bytes, threads)});
    writer.write(bytes, table.back().offset);
    header.file_bytes = table.back().offset + block.bytes;
  }

  writer.finish();
  std::vector<std::byte> bytes(front);
  std::memcpy(bytes.data() + sizeof(header), name.data(), header.name_bytes);
  std::memcpy(bytes.data() + sizeof(header) + header.name_bytes, table.data(),
              table.size() * sizeof(PlanFileBlock));
  std::memcpy(bytes.data(), &header, sizeof(header));
  header.digest = front_digest(bytes, hash);
  std::memcpy(bytes.data(), &header, sizeof(header));
  file.write(bytes, 0);
  file.resize(header.file_bytes);
  file.commit();
}

}  // namespace halftone
