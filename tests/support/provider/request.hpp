// One HTTP request as the stand-in's logic sees it: plain views, no HTTP library.
//
// Filled by server.cpp; the views live as long as the request's callback runs, so nothing may
// keep them. Headers that somebody asks about have a name of their own. Immutable once filled; no locking.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

namespace stand_in {

struct Request {
  std::string_view method;
  std::string_view path;  // decoded, without the query
  std::string_view body;

  // Headers; empty when absent.
  std::string_view authorization;
  std::string_view x_api_key;
  std::string_view x_goog_api_key;
  std::string_view api_key;
  std::string_view anthropic_version;
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // all of them

  std::vector<std::pair<std::string_view, std::string_view>> arguments;  // of the query, decoded
};

}  // namespace stand_in
