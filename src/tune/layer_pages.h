#pragma once

#include <string>
#include <vector>

#include "tune/sensitivity.h"

namespace halftone {

/// Sensitivities as one page that needs no other file: a bar for each layer in the model's order, then the
/// table, the most sensitive first.
std::string sensitivity_html(const std::vector<Sensitivity>& rows, const std::string& model,
                             const std::string& recipe, const std::string& protocol);

/// Layers of two versions of a model: bars in the model's order, the table worst first.
std::string comparison_html(const ModelComparison& comparison, const std::string& title,
                            const std::string& protocol);

/// The most sensitive first: by KLD where it is known, else by the SQNR of what the model gives out.
std::vector<Sensitivity> most_sensitive_first(std::vector<Sensitivity> rows);

}  // namespace halftone
