-- How far the destruction of ciphertext is.
CREATE VIEW keypool.destruction_status AS
SELECT CASE WHEN d.pending_since IS NULL THEN 'clean'
            WHEN d.waiting_for IS NULL THEN 'pending'
            ELSE 'waiting' END AS state,
       d.pending_since, d.cleaned_at, d.pages_wiped, d.waiting_for, d.waiting_for_pid
FROM keypool.destruction_state() d;
