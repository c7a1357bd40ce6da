#pragma once

#include <string>

#include "base/json.h"
#include "tune/plan.h"

namespace halftone::cli {

/// A plan as `halftone plan` prints it: for people, and as JSON.
std::string plan_text(const DevicePlan& plan, const std::string& model, const std::string& note);
OrderedJson plan_json(const DevicePlan& plan, const std::string& model, const std::string& note);

}  // namespace halftone::cli
