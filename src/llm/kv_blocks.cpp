#include "llm/kv_blocks.h"

#include "base/checked.h"
#include "base/error.h"

namespace halftone {

KvBlocks::KvBlocks(int blocks, int block_tokens) : block_tokens_(block_tokens), total_(blocks) {
  for (int32_t block = blocks - 1; block >= 0; --block) free_.push_back(block);
}

int32_t KvBlocks::take() {
  if (free_.empty())
    throw ResourceError("the KV cache is full: all {} blocks of {} tokens are in use", total_, block_tokens_);
  const int32_t block = free_.back();
  free_.pop_back();
  return block;
}

void KvBlocks::give_back(int32_t block) {
  free_.push_back(block);
}

void BlockTable::resize(int tokens) {
  const auto wanted = static_cast<size_t>(ceil_div(tokens, pool_->block_tokens()));
  if (wanted > blocks_.size() && wanted - blocks_.size() > static_cast<size_t>(pool_->free()))
    throw ResourceError("the KV cache is full: {} more blocks of {} tokens are needed and {} of {} are free",
                        wanted - blocks_.size(), pool_->block_tokens(), pool_->free(), pool_->total());
  while (blocks_.size() < wanted) blocks_.push_back(pool_->take());
  while (blocks_.size() > wanted) {
    pool_->give_back(blocks_.back());
    blocks_.pop_back();
  }
}

}  // namespace halftone
