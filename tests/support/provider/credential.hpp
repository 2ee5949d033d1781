// The credential of a request, and the ways of sending one that no client should use.
//
// Pure; results point into the request or are string literals.
#pragma once

#include <string_view>
#include <vector>

#include "request.hpp"
#include "route.hpp"

namespace stand_in {

// The key in the header this provider reads; empty when there is none.
std::string_view credential_of(const Request& request, const Route& route);

// Names of the credential headers the request carries, of whatever provider.
std::vector<std::string_view> credential_headers(const Request& request);

// The key itself, or an argument that usually holds one, stands in the path or the query. URLs
// get logged by every proxy on the way.
bool key_is_in_url(const Request& request);

// A credential header this provider does not read is there: the key goes to the wrong party.
bool has_foreign_header(const Request& request, const Route& route);

}  // namespace stand_in
