#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace halftone {

/// Hands out the blocks of a KV cache. Blocks given back are handed out again last in, first out, while their
/// memory is warm.
class KvBlocks {
 public:
  KvBlocks(int blocks, int block_tokens);

  int block_tokens() const { return block_tokens_; }
  int total() const { return total_; }
  int free() const { return static_cast<int>(free_.size()); }

  /// Throws ResourceError when every block is in use.
  int32_t take();
  void give_back(int32_t block);

 private:
  int block_tokens_;
  int total_;
  std::vector<int32_t> free_;
};

/// The blocks of one sequence, in order. Gives them back when it goes.
class BlockTable {
 public:
  /// `pool` must outlive the table.
  explicit BlockTable(KvBlocks& pool) : pool_(&pool) {}
  ~BlockTable() { resize(0); }
  BlockTable(BlockTable&& other) noexcept : pool_(other.pool_), blocks_(std::exchange(other.blocks_, {})) {}
  BlockTable& operator=(BlockTable&&) = delete;

  /// Takes or gives back blocks, so that exactly those for `tokens` tokens are held. Throws ResourceError,
  /// and then holds what it held before.
  void resize(int tokens);
  std::span<const int32_t> blocks() const { return blocks_; }

 private:
  KvBlocks* pool_;
  std::vector<int32_t> blocks_;
};

}  // namespace halftone
