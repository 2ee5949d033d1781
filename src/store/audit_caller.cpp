#include "store/audit_caller.hpp"

#include <cstring>

#include "core/scrub.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "common/ip.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
}

namespace keypool::store {

namespace {

struct Own {
  int pid;
  char application[NAMEDATALEN];  // as it is set, before scrubbing
  core::AuditCaller caller;
};
constinit Own own = {};

void find_address(core::ShortText<48>& address) {
  // The session's own: nobody else writes it.
  if (MyBEEntry == nullptr) return;
  const SockAddr& remote = MyBEEntry->st_clientaddr;
  if (remote.addr.ss_family != AF_INET && remote.addr.ss_family != AF_INET6) return;
  char host[NI_MAXHOST] = "";
  const int problem =
      pg_getnameinfo_all(&remote.addr, remote.salen, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  if (problem == 0) address.assign(host);
}

}  // namespace

const core::AuditCaller& audit_caller(bool& changed) {
  core::AuditCaller& caller = own.caller;
  const char* application = application_name != nullptr ? application_name : "";
  const Oid session_role = GetSessionUserId();
  const Oid acting_role = GetOuterUserId();
  changed = own.pid != MyProcPid || caller.database != MyDatabaseId ||
            caller.session_role != session_role || caller.acting_role != acting_role ||
            std::strcmp(own.application, application) != 0;
  if (!changed) [[likely]]
    return caller;
  const std::string text = plain_text(application);
  if (own.pid != MyProcPid) {
    own = {.pid = MyProcPid};
    find_address(caller.address);
  }
  caller.database = MyDatabaseId;
  caller.session_role = session_role;
  caller.acting_role = acting_role;
  caller.application.assign(text);
  // The server allows no longer one.
  std::strncpy(own.application, application, sizeof own.application - 1);
  return caller;
}

std::string plain_text(std::string_view text) {
  constexpr std::string_view kEllipsis = "\u2026";
  std::string plain = core::scrub(text);
  for (auto at = plain.find(kEllipsis); at != std::string::npos; at = plain.find(kEllipsis)) {
    plain.replace(at, kEllipsis.size(), "...");
  }
  for (char& c : plain) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return plain;
}

std::string role_name(Oid role) {
  const char* name = pg::call([role] { return GetUserNameFromId(role, true); });
  return name != nullptr ? std::string(name) : std::to_string(role);
}

}  // namespace keypool::store
