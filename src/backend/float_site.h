#pragma once

#include "backend/kernel.h"

namespace halftone {

/// Empty when each of the first `inputs` inputs and every output is f32, and none of them has an encoding;
/// otherwise which is not.
Refusal not_all_f32(const OpSite& site, size_t inputs);

/// Empty when every activation and every output has one order and none is stored as codes: operators that
/// take each element by itself then need not know which.
Refusal mixed_order_refusal(const OpSite& site);

/// What keeps an RMSNormalization from being over the last axis, with a scale for each of its elements.
Refusal not_last_axis(const OpSite& site);
/// What keeps kernels of RMSNormalization over the last axis, in f32, from a site; of the form with a skip
/// too.
Refusal rms_normalization_refusal(const OpSite& site);
Refusal skip_rms_normalization_refusal(const OpSite& site);

}  // namespace halftone
