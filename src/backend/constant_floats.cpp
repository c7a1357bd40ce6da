#include "backend/constant_floats.h"

#include "ops/elementwise.h"

namespace halftone {

Tensor constant_floats(const OpSite& site, size_t input) {
  const Constant& constant = *site.inputs[input].constant;
  return constant.encoding() ? constant.load_encoded(std::string(site.name))->decode()
                             : to_f32(constant.load());
}

}  // namespace halftone
