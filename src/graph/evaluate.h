#pragma once

#include <span>
#include <vector>

#include "ops/op_schema.h"

namespace halftone {

/// The outputs of one use of an operator by its reference, now. `inputs` holds a tensor for each input of the
/// site: an empty one where the input is absent, or where nothing but its shape matters
/// (OpSchema::of_shapes). The site's shapes must be concrete. Fresh memory, except that an alias shares its
/// input's.
std::vector<Tensor> evaluate(const OpSite& site, std::span<const Tensor> inputs);

}  // namespace halftone
