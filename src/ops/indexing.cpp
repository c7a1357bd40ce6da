#include "ops/indexing.h"

namespace halftone {

void require_indices(const OpSite& site, size_t input) {
  const DType dtype = site.inputs[input].type.dtype;
  require(site, dtype == DType::i64 || dtype == DType::i32, "{}: expected i64 or i32, found {}",
          site.schema->inputs[input].name, dtype_name(dtype));
}

int64_t block_size(const OpSite& site) {
  constexpr int64_t kLargest = 1 << 15;
  const int64_t block = site.attributes->get_int("blocksize", 0);
  require(site, block > 0 && block <= kLargest, "attribute blocksize: found {}", block);
  return block;
}

}  // namespace halftone
