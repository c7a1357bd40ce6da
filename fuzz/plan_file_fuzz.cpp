#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "runtime/plan_file.h"

namespace {

using namespace halftone;

constexpr Digest kKey{};

/// Makes the digests those of the bytes, as far as the header's numbers allow, as if whoever changed the file
/// knew the secret: only then is more read of it than the digests.
void sign(std::vector<std::byte>& bytes, const KeyedHash& hash, ThreadPool& threads) {
  PlanFileHeader header;
  if (bytes.size() < sizeof(header)) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  header.key = kKey;
  header.file_bytes = bytes.size();
  header.digest = {};
  std::memcpy(bytes.data(), &header, sizeof(header));
  const size_t room = bytes.size() - sizeof(header);
  if (header.name_bytes > room || header.blocks > (room - header.name_bytes) / sizeof(PlanFileBlock)) return;
  const size_t table = sizeof(header) + header.name_bytes;
  const size_t front = table + header.blocks * sizeof(PlanFileBlock);
  for (size_t at = table; at < front; at += sizeof(PlanFileBlock)) {
    PlanFileBlock block;
    std::memcpy(&block, bytes.data() + at, sizeof(block));
    if (block.offset > bytes.size() || block.bytes > bytes.size() - block.offset) continue;
    block.digest = hash.in_pieces(std::span(bytes).subspan(block.offset, block.bytes), threads);
    std::memcpy(bytes.data() + at, &block, sizeof(block));
  }
  header.digest = hash(std::span(bytes).first(front));
  std::memcpy(bytes.data(), &header, sizeof(header));
}

/// A file that this user alone can write, as the plan cache wants them.
class PrivateFile {
 public:
  explicit PrivateFile(std::span<const std::byte> bytes)
      : path_(fs::temp_directory_path() / fmt::format("halftone_plan_fuzz.{}", ::getpid())) {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      std::abort();
    ::close(file);
  }
  ~PrivateFile() { ::unlink(path_.c_str()); }
  PrivateFile(const PrivateFile&) = delete;
  PrivateFile& operator=(const PrivateFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

/// Any bytes are a plan file, whose constants lie inside it, or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static ThreadPool threads(1);
  static const KeyedHash hash(KeyedHash::Secret{1, 2, 3, 4, 5, 6, 7, 8});
  std::vector<std::byte> bytes(size);
  std::copy_n(reinterpret_cast<const std::byte*>(data), size, bytes.begin());
  for (bool known_secret : {false, true}) {
    if (known_secret) sign(bytes, hash, threads);
    const PrivateFile file(bytes);
    plan_file_name(file.path());
    try {
      const auto plan = PlanFile::open(file.path(), kKey, hash, threads);
      for (const PlanFileBlock& block : plan->blocks) hash({plan->data.get() + block.offset, block.bytes});
    } catch (const Error&) {
    }
  }
  return 0;
}
