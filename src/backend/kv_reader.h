#pragma once

#include "ops/paged_attention/kv_cache.h"

namespace halftone {

/// What a PreparedKernel is besides, if it reads a KvCache.
class KvReader {
 public:
  virtual ~KvReader() = default;
  /// In which order it reads such a cache fastest.
  virtual KvOrder best_order(const KvCache::Layout& layout) const = 0;
};

}  // namespace halftone
