#pragma once

#include <string>

#include "tune/plan.h"

namespace halftone {

/// A plan as one HTML page that needs no other file: the memory of each recipe as bars, the roofline with the
/// recommended recipe's nodes as points (one token, and the first prompt), the table of recipes.
std::string plan_html(const DevicePlan& plan, const std::string& model);

}  // namespace halftone
