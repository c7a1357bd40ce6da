#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backend/packed_store.h"
#include "base/mapped_files.h"
#include "runtime/plan_file.h"

namespace halftone {

/// A folder of packed constants, so that a model which was compiled before need not be packed again. A file
/// holds those of one plan, under a key of all that they follow from: graph and files, by what is in them,
/// options, instruction sets, and this very program. A plan whose like the folder does not hold is packed at
/// once; what is in its files is learnt when they are kept, beside whatever runs. Files are checked whole
/// before they are used, against a secret that lies in the folder; the folder is this user's alone. The files
/// used last stay when they would be too many together.
class PlanCache : public std::enable_shared_from_this<PlanCache> {
 public:
  static constexpr uint64_t kUsualLimit = uint64_t{32} << 30;
  using Warn = std::function<void(const std::string& what)>;  ///< called from any thread

  /// Makes the folder where it is missing. `limit` is of all files together, in bytes. Throws ResourceError
  /// when it cannot be made or others may write to it.
  static std::shared_ptr<const PlanCache> open(const fs::path& folder, uint64_t limit = kUsualLimit,
                                               Warn warn = {});
  /// To list and to clear: makes nothing, neither the folder nor what belongs into it. Null where there is no
  /// such folder; throws as open() does.
  static std::shared_ptr<const PlanCache> look(const fs::path& folder);

  /// Constants of one plan: found, or kept for the next time.
  class Constants : public PackedStore {
   public:
    ~Constants() override;
    std::shared_ptr<const std::byte> find(size_t bytes) override;
    void keep(std::shared_ptr<const std::byte> packed, size_t bytes) override;
    /// When all are packed: begins to write what was kept, beside whatever runs and behind it where cores are
    /// scarce. The destructor waits for it. Nothing is kept when a mapped file has changed since. `threads`
    /// read and check files meanwhile.
    void finish(int threads = 1);
    /// Whether all came from a file.
    bool found() const { return file_ != nullptr; }

   private:
    friend class PlanCache;
    std::shared_ptr<const PlanCache> cache_;
    Digest plan_;  ///< of all but the files
    std::vector<OpenMapping> mappings_;
    std::string name_;
    std::unique_ptr<PlanFile> file_;
    size_t next_ = 0;  ///< block of the file
    std::vector<PackedBlock> kept_;
    bool whole_ = true;  ///< kept_ is all of the plan
    std::thread writer_;
  };

  /// For compiling what `identity` describes; the bytes of all mapped files count too. Null where no file is
  /// mapped: what is made in memory is made again faster than it is recognised. `name` is for people.
  std::unique_ptr<Constants> constants(const std::string& identity, const std::string& name,
                                       ThreadPool& threads) const;

  struct Entry {
    fs::path path;
    std::string model;
    uint64_t bytes;
    fs::file_time_type used;
  };
  /// Last used first.
  std::vector<Entry> entries() const;
  /// Removes all entries; returns their bytes. Throws ResourceError when one stays.
  uint64_t clear() const;

  const fs::path& folder() const { return folder_; }
  const KeyedHash& hash() const { return hash_; }

 private:
  PlanCache(fs::path folder, uint64_t limit, Warn warn, const KeyedHash::Secret& secret);
  bool holds_like(const Digest& plan) const;
  Digest key_of(const Constants& constants, ThreadPool& threads) const;
  fs::path path_of(const Constants& constants, const Digest& key) const;
  void write(const Constants& constants, int threads) const;
  void make_room(uint64_t bytes) const;
  void remove_leftovers() const;

  fs::path folder_;
  uint64_t limit_;
  Warn warn_;
  KeyedHash hash_;
};

}  // namespace halftone
