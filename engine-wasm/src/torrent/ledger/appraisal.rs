//! Decides about a piece after an inspection of its files, without side effects.

use crate::pick::piece_map::PieceState;

/// What is known about a piece after an inspection of its files. A sighting combines the inspection
/// with the record of an earlier engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::torrent) struct Sighting {
    /// Whether the user started a check of everything.
    pub(in crate::torrent) is_recheck: bool,
    /// Whether all of its bytes can be read.
    pub(in crate::torrent) is_readable: bool,
    /// Whether all of its files are unchanged since their stamps.
    pub(in crate::torrent) is_untouched: bool,
    /// Whether it has to be hashed again if it was verified.
    pub(in crate::torrent) is_stale: bool,
    /// Whether all of its files are unchanged since they were last seen.
    pub(in crate::torrent) is_as_seen: bool,
    /// Whether the record names it.
    pub(in crate::torrent) is_recorded: bool,
    /// Whether the record says that it was verified.
    pub(in crate::torrent) was_verified: bool,
}

/// What to do with a piece after an inspection of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Appraisal {
    /// Nothing.
    Keep,
    /// A verified piece can't be read any more: it is missing.
    Lose,
    /// A verified piece is hashed again.
    HashAgain {
        /// Whether it counts as verified again if the user cancels the check.
        is_restored: bool,
    },
    /// The stored blocks of a begun piece are discarded.
    Discard {
        /// Whether to hash what the disk holds instead.
        is_readable: bool,
    },
    /// A missing piece is verified. The piece's files are as an earlier engine left them.
    Believe,
    /// The disk may hold a missing piece: it is hashed before it is requested.
    Suspect {
        /// Whether it is most probably valid.
        is_likely: bool,
    },
    /// An unchecked piece can't be on the disk: it is missing.
    Dismiss,
}

/// Decides about a piece in this state.
pub(super) fn appraise(state: PieceState, sighting: Sighting) -> Appraisal {
    let Sighting { is_recheck, is_readable, is_untouched, is_stale, is_as_seen, .. } = sighting;
    let Sighting { is_recorded, was_verified, .. } = sighting;
    match state {
        PieceState::Have if !is_readable => Appraisal::Lose,
        // A cancelled check does not restore pieces that another program changed.
        PieceState::Have if is_recheck || is_stale => {
            Appraisal::HashAgain { is_restored: is_recheck && is_as_seen }
        }
        PieceState::Open | PieceState::Hashing if is_stale => Appraisal::Discard { is_readable },
        PieceState::Missing if !is_readable => Appraisal::Keep,
        PieceState::Missing if is_untouched && was_verified => Appraisal::Believe,
        PieceState::Missing if is_untouched && !is_recorded => Appraisal::Keep,
        PieceState::Missing => Appraisal::Suspect { is_likely: is_recorded },
        PieceState::Unchecked if !is_readable => Appraisal::Dismiss,
        _ => Appraisal::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A readable piece about which nothing else is known.
    const READABLE: Sighting = Sighting {
        is_recheck: false,
        is_readable: true,
        is_untouched: false,
        is_stale: false,
        is_as_seen: false,
        is_recorded: false,
        was_verified: false,
    };

    fn check(state: PieceState, sighting: Sighting, expected: Appraisal) {
        assert_eq!(appraise(state, sighting), expected, "{state:?} {sighting:?}");
    }

    #[test]
    fn a_verified_piece_stays_until_its_files_change_or_the_user_asks() {
        let have = PieceState::Have;
        check(have, READABLE, Appraisal::Keep);
        check(have, Sighting { is_readable: false, ..READABLE }, Appraisal::Lose);
        let stale = Sighting { is_stale: true, is_as_seen: true, ..READABLE };
        check(have, stale, Appraisal::HashAgain { is_restored: false });
        let recheck = Sighting { is_recheck: true, ..READABLE };
        check(have, recheck, Appraisal::HashAgain { is_restored: false });
        let unchanged = Sighting { is_as_seen: true, ..recheck };
        check(have, unchanged, Appraisal::HashAgain { is_restored: true });
    }

    #[test]
    fn a_begun_piece_is_discarded_if_its_files_changed() {
        for state in [PieceState::Open, PieceState::Hashing] {
            check(state, Sighting { is_recheck: true, ..READABLE }, Appraisal::Keep);
            let stale = Sighting { is_stale: true, ..READABLE };
            check(state, stale, Appraisal::Discard { is_readable: true });
            let gone = Sighting { is_readable: false, ..stale };
            check(state, gone, Appraisal::Discard { is_readable: false });
        }
    }

    #[test]
    fn a_missing_piece_is_believed_only_in_untouched_files_and_sought_in_others() {
        let missing = PieceState::Missing;
        let recorded = Sighting { is_recorded: true, was_verified: true, ..READABLE };
        check(missing, recorded, Appraisal::Suspect { is_likely: true });
        check(missing, Sighting { is_untouched: true, ..recorded }, Appraisal::Believe);
        check(missing, Sighting { is_readable: false, ..recorded }, Appraisal::Keep);
        check(missing, READABLE, Appraisal::Suspect { is_likely: false });
        check(missing, Sighting { is_untouched: true, ..READABLE }, Appraisal::Keep);
        let stored = Sighting { is_recorded: true, is_untouched: true, ..READABLE };
        check(missing, stored, Appraisal::Suspect { is_likely: true });
    }

    #[test]
    fn an_unchecked_piece_is_dismissed_if_it_can_t_be_read() {
        check(PieceState::Unchecked, READABLE, Appraisal::Keep);
        let gone = Sighting { is_readable: false, ..READABLE };
        check(PieceState::Unchecked, gone, Appraisal::Dismiss);
    }
}
