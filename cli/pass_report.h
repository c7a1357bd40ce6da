#pragma once

#include <string>

#include "base/json.h"
#include "runtime/plan.h"

namespace halftone::cli {

/// What --passes prints: what each pass that ran changed, and its time.
std::string passes_text(const Plan& plan);
OrderedJson passes_json(const Plan& plan);

}  // namespace halftone::cli
