// Acts as another role for a scope, with search_path pinned to pg_catalog, pg_temp: what SECURITY
// DEFINER and a SET clause would do, without their cost on paths that need neither.
//
// While it lasts SET ROLE and SET SESSION AUTHORIZATION are refused. However the scope ends, the
// destructor puts role and settings back; neither step can raise an error. Must not outlive the
// (sub)transaction it was made in.
#pragma once

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

namespace keypool::pg {

// For code of somebody else that may run meanwhile: it can neither leave anything behind in the
// session nor put anything off until the role is another one again.
inline constexpr int kConfined = SECURITY_RESTRICTED_OPERATION;

class [[nodiscard]] ActAs {
 public:
  explicit ActAs(Oid role, int further_context = 0) {
    GetUserIdAndSecContext(&role_before_, &context_before_);
    settings_level_ = NewGUCNestLevel();
    const int context = context_before_ | SECURITY_LOCAL_USERID_CHANGE | further_context;
    try {
      call([] {
        set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
      });
    } catch (...) {
      AtEOXact_GUC(false, settings_level_);
      throw;
    }
    SetUserIdAndSecContext(role, context);
  }
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;
  ~ActAs() {
    SetUserIdAndSecContext(role_before_, context_before_);
    AtEOXact_GUC(false, settings_level_);
  }

 private:
  Oid role_before_;
  int context_before_;
  int settings_level_;
};

}  // namespace keypool::pg
