#pragma once

#include <memory>
#include <string_view>

#include "llm/chat_template/value.h"

namespace halftone::jinja {

using Builtin = Value (*)(const Value& self, const Call& call);

/// The filter or test of that name; null when there is none.
Builtin find_filter(std::string_view name);
Builtin find_test(std::string_view name);

/// A method of strings or dicts, bound to `value`; null when it has none of that name. Throws InputError for
/// those that would change a list or dict in place.
std::shared_ptr<const Callable> find_method(const Value& value, const std::string& name);

/// Filters and methods share these.
std::string trimmed(std::string_view text, std::string_view characters, bool left, bool right);
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalized(std::string_view text);
std::string titled(std::string_view text);         ///< as Python does it: behind all that is no letter
std::string with_capitals(std::string_view text);  ///< as Jinja does it: behind blanks and -({[< alone
/// The first `most` (negative: all) occurrences of `from` replaced, paid for.
std::string replaced(const std::string& text, const std::string& from, const std::string& to, int64_t most,
                     Meter& meter);
std::string joined(const List& items, const std::string& between, Meter& meter);

}  // namespace halftone::jinja
