#include "runtime/plan_cache.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "runtime/file_contents.h"

namespace halftone {
namespace {

constexpr std::string_view kExtension = ".plan", kSecret = "secret", kContents = "contents";

/// How much the writing of a plan file gives way to other threads, as nice(1) counts it.
constexpr int kBehindOthers = 10;

[[noreturn]] void fail(const fs::path& path, const char* what) {
  throw ResourceError("{}: {}: {}", path.string(), what, std::strerror(errno));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) fail(folder, "cannot make the plan cache");
}

void check_folder(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) fail(folder, "cannot use the plan cache");
  if (!S_ISDIR(info.st_mode)) throw ResourceError("{}: the plan cache must be a folder", folder.string());
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0)
    throw ResourceError("{}: the plan cache must belong to this user, and nobody else may write to it",
                        folder.string());
}

/// A folder that cannot be read is a ResourceError like all that is wrong with it.
fs::directory_iterator files_of(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator files(folder, error);
  if (error) throw ResourceError("{}: cannot read the plan cache: {}", folder.string(), error.message());
  return files;
}

/// Whether a file of this name is one of ours: the folder that somebody clears may hold others'.
bool is_plan(const fs::directory_entry& entry) {
  const std::string name = entry.path().stem().string();
  const size_t digits = digest_text(Digest()).size();
  std::error_code gone;
  return entry.path().extension() == kExtension &&
         entry.symlink_status(gone).type() == fs::file_type::regular && name.size() == 2 * digits + 1 &&
         name[digits] == '-' && name.find_first_not_of("0123456789abcdef-") == std::string::npos;
}

KeyedHash::Secret read_secret(const fs::path& path) {
  KeyedHash::Secret secret;
  std::string text;
  try {
    text = read_text(path, sizeof(secret));
  } catch (const InputError& error) {
    throw ResourceError("{}", error.what());
  }
  if (text.size() != sizeof(secret))
    throw ResourceError("{}: expected {} bytes, found {}; remove it, and a new one is made", path.string(),
                        sizeof(secret), text.size());
  std::memcpy(secret.data(), text.data(), sizeof(secret));
  return secret;
}

/// Made at random by whoever comes first.
KeyedHash::Secret secret_of(const fs::path& folder) {
  const fs::path path = folder / kSecret;
  KeyedHash::Secret secret;
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (::getrandom(secret.data(), sizeof(secret), 0) != sizeof(secret)) fail(path, "no random numbers");
    std::string temporary = (folder / ".secret.XXXXXX").string();
    const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
    const bool written = file >= 0 && ::write(file, secret.data(), sizeof(secret)) == sizeof(secret);
    if (file >= 0) ::close(file);
    const bool there = written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
    if (!there) fail(path, "cannot write");
    ::unlink(temporary.c_str());
  }
  return read_secret(path);
}

}  // namespace

PlanCache::PlanCache(fs::path folder, uint64_t limit, Warn warn, const KeyedHash::Secret& secret)
    : folder_(std::move(folder)), limit_(limit), warn_(std::move(warn)), hash_(secret) {}

std::shared_ptr<const PlanCache> PlanCache::open(const fs::path& folder, uint64_t limit, Warn warn) {
  make_folder(folder);
  check_folder(folder);
  std::shared_ptr<const PlanCache> cache(new PlanCache(folder, limit, std::move(warn), secret_of(folder)));
  cache->remove_leftovers();
  return cache;
}

std::shared_ptr<const PlanCache> PlanCache::look(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) return nullptr;
  check_folder(folder);
  return std::shared_ptr<const PlanCache>(new PlanCache(folder, kUsualLimit, {}, {}));
}

std::unique_ptr<PlanCache::Constants> PlanCache::constants(const std::string& identity,
                                                           const std::string& name,
                                                           ThreadPool& threads) const {
  auto constants = std::make_unique<Constants>();
  constants->mappings_ = open_mappings();
  if (constants->mappings_.empty()) return nullptr;
  constants->cache_ = shared_from_this();
  constants->name_ = name;
  constants->plan_ = hash_(identity);
  fs::path path;
  try {
    if (!holds_like(constants->plan_)) return constants;
    const Digest key = key_of(*constants, threads);
    path = path_of(*constants, key);
    constants->file_ = PlanFile::open(path, key, hash_, threads);
    if (constants->file_) ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  } catch (const Error& error) {
    if (warn_) warn_(fmt::format("plan cache: {}; the weights are packed anew", error.what()));
    if (error.code() == ExitCode::input) ::unlink(path.c_str());
  }
  return constants;
}

bool PlanCache::holds_like(const Digest& plan) const {
  const std::string like = digest_text(plan);
  for (const auto& entry : files_of(folder_))
    if (entry.path().filename().string().starts_with(like)) return true;
  return false;
}

Digest PlanCache::key_of(const Constants& constants, ThreadPool& threads) const {
  const Digest parts[] = {mapped_contents(constants.mappings_, folder_ / kContents, hash_, threads),
                          constants.plan_};
  return hash_(std::as_bytes(std::span(parts)));
}

fs::path PlanCache::path_of(const Constants& constants, const Digest& key) const {
  return folder_ / fmt::format("{}-{}{}", digest_text(constants.plan_), digest_text(key), kExtension);
}

std::shared_ptr<const std::byte> PlanCache::Constants::find(size_t bytes) {
  if (!file_) return nullptr;
  if (next_ < file_->blocks.size() && file_->blocks[next_].bytes == bytes)
    return {file_->data, file_->data.get() + file_->blocks[next_++].offset};
  // The key says that this cannot be; whatever came before stays sound, since its digest was.
  file_.reset();
  whole_ = next_ == 0;
  return nullptr;
}

void PlanCache::Constants::keep(std::shared_ptr<const std::byte> packed, size_t bytes) {
  kept_.push_back({std::move(packed), bytes});
}

void PlanCache::Constants::finish(int threads) {
  if (kept_.empty() || !whole_) return mappings_.clear();
  writer_ = std::thread([this, threads] {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kBehindOthers);
    cache_->write(*this, threads);
    mappings_.clear();
  });
}

PlanCache::Constants::~Constants() {
  if (writer_.joinable()) writer_.join();
}

void PlanCache::write(const Constants& constants, int threads) const {
  try {
    uint64_t bytes = 0;
    for (const PackedBlock& block : constants.kept_) bytes += block.bytes;
    if (bytes > limit_) throw ResourceError("{} bytes are more than its limit of {}", bytes, limit_);
    if (const uint64_t free = fs::space(folder_).available; bytes > free / 2)
      throw ResourceError("{}: {} bytes are more than half of the {} that are free", folder_.string(), bytes,
                          free);
    ThreadPool pool(threads);
    const Digest key = key_of(constants, pool);
    if (!std::all_of(constants.mappings_.begin(), constants.mappings_.end(), is_as_opened)) return;
    make_room(bytes);
    write_plan_file(path_of(constants, key), key, constants.name_, constants.kept_, hash_, pool);
  } catch (const std::exception& error) {
    if (warn_) warn_(fmt::format("plan cache: {}; the next start will pack again", error.what()));
  }
}

void PlanCache::make_room(uint64_t bytes) const {
  const std::vector<Entry> list = entries();
  for (const Entry& entry : list) bytes += entry.bytes;
  for (auto oldest = list.rbegin(); oldest != list.rend() && bytes > limit_; ++oldest) {
    ::unlink(oldest->path.c_str());
    bytes -= oldest->bytes;
  }
}

void PlanCache::remove_leftovers() const {
  for (const auto& entry : files_of(folder_))
    if (is_left_unfinished(entry.path())) ::unlink(entry.path().c_str());
}

std::vector<PlanCache::Entry> PlanCache::entries() const {
  std::vector<Entry> entries;
  for (const auto& entry : files_of(folder_)) {
    if (!is_plan(entry)) continue;
    std::error_code gone;
    const uint64_t bytes = entry.file_size(gone);
    const fs::file_time_type used = gone ? fs::file_time_type() : entry.last_write_time(gone);
    if (gone) continue;
    entries.push_back({entry.path(), plan_file_name(entry.path()).value_or("?"), bytes, used});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used > b.used; });
  return entries;
}

uint64_t PlanCache::clear() const {
  uint64_t bytes = 0;
  remove_leftovers();
  for (const Entry& entry : entries()) {
    if (::unlink(entry.path.c_str()) != 0 && errno != ENOENT) fail(entry.path, "cannot remove");
    bytes += entry.bytes;
  }
  std::error_code ignored;
  if (fs::exists(folder_ / kSecret, ignored)) fs::remove(folder_ / kContents, ignored);
  return bytes;
}

}  // namespace halftone
