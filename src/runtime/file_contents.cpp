#include "runtime/file_contents.h"

#include <chrono>
#include <map>
#include <sstream>

#include "base/error.h"
#include "base/write_file.h"

namespace halftone {
namespace {

constexpr size_t kMemoLinesMax = 4096, kMemoBytesMax = size_t{1} << 20;
constexpr int64_t kSettledNs = 2'000'000'000;

using Memo = std::map<FileIdentity, Digest>;

/// Lines of seven numbers; whatever else there is does not count.
Memo read_memo(const fs::path& path) {
  Memo memo;
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMemoBytesMax || error) return memo;
  std::istringstream lines(read_text(path, kMemoBytesMax));
  FileIdentity file{};
  Digest digest{};
  while (memo.size() < kMemoLinesMax && lines >> file.device >> file.inode >> file.size >> file.modified_ns >>
                                            file.changed_ns >> digest[0] >> digest[1])
    memo[file] = digest;
  return memo;
}

void write_memo(const fs::path& path, Memo memo) {
  while (memo.size() > kMemoLinesMax) memo.erase(memo.begin());
  std::string text;
  for (const auto& [file, digest] : memo)
    text += fmt::format("{} {} {} {} {} {} {}\n", file.device, file.inode, file.size, file.modified_ns,
                        file.changed_ns, digest[0], digest[1]);
  write_file(path, text);
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Digest mapped_contents(const std::vector<OpenMapping>& mappings, const fs::path& path, const KeyedHash& hash,
                       ThreadPool& threads) {
  Memo memo = read_memo(path);
  bool learnt = false;
  std::vector<Digest> digests;
  for (const OpenMapping& mapping : mappings) {
    const auto known = memo.find(mapping.identity);
    if (known != memo.end()) {
      digests.push_back(known->second);
      continue;
    }
    digests.push_back(hash.in_pieces(mapping.file->bytes(), threads));
    if (now_ns() - std::max(mapping.identity.modified_ns, mapping.identity.changed_ns) < kSettledNs) continue;
    memo[mapping.identity] = digests.back();
    learnt = true;
  }
  try {
    if (learnt) write_memo(path, std::move(memo));
  } catch (const ResourceError&) {  // a cache that may only be read: the next start reads these files again
  }
  return hash(std::as_bytes(std::span(digests)));
}

}  // namespace halftone
