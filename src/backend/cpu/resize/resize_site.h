#pragma once

#include "backend/kernel.h"
#include "ops/resize/resize.h"

namespace halftone::cpu {

/// Why a site is no Resize of the two spatial axes of [N, C, rows, columns] in f32; sizes may be left open.
Refusal places_refusal(const OpSite& site);

}  // namespace halftone::cpu
