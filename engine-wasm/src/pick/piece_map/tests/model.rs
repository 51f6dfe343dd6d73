//! The piece map against a model that keeps no counts and no shortcuts.

use proptest::prelude::*;

use super::*;

const PIECES: u32 = 3;
const BLOCKS: u32 = 4;
/// Number of blocks of the last piece. The last block is half as long as the others.
const LAST_BLOCKS: u32 = 2;
/// The piece that the selection does not want.
const UNWANTED: u32 = 1;

#[derive(Clone, Debug, Default, PartialEq)]
struct ModelBlock {
    asked: Vec<Source>,
    armed: Vec<Source>,
    senders: Vec<Sender>,
    is_proved: bool,
}

impl ModelBlock {
    fn is_stored(&self) -> bool {
        self.is_proved || !self.senders.is_empty()
    }

    fn is_free(&self) -> bool {
        !self.is_stored() && self.asked.is_empty()
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
enum ModelPiece {
    #[default]
    Missing,
    Unchecked,
    /// Being checked, after it was found on disk.
    Found,
    Begun(Vec<ModelBlock>),
    Have,
}

impl ModelPiece {
    fn blocks(&self) -> &[ModelBlock] {
        if let Self::Begun(blocks) = self { blocks } else { &[] }
    }

    fn state(&self) -> PieceState {
        match self {
            Self::Missing => PieceState::Missing,
            Self::Unchecked => PieceState::Unchecked,
            Self::Found => PieceState::Hashing,
            Self::Begun(blocks) if blocks.iter().all(ModelBlock::is_stored) => PieceState::Hashing,
            Self::Begun(_) => PieceState::Open,
            Self::Have => PieceState::Have,
        }
    }

    fn has_armed(&self) -> bool {
        self.blocks().iter().any(|block| !block.armed.is_empty())
    }

    /// Becomes missing if nothing is stored and no source may send a block.
    fn close(&mut self) {
        let is_open = |block: &ModelBlock| block.is_stored() || !block.armed.is_empty();
        if matches!(self, Self::Begun(_)) && !self.blocks().iter().any(is_open) {
            *self = Self::Missing;
        }
    }
}

struct Pair {
    map: PieceMap,
    model: Vec<ModelPiece>,
    /// Which pieces had armed blocks when the changes were last taken.
    had_armed: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    Withdraw { gone: bool },
    Store,
    Prove,
    Refute,
    Reset,
    LoseBegun,
    Verified,
    Lose,
    MarkUnchecked,
    ClearUnchecked,
    BeginCheck,
    Unlink,
}

impl Pair {
    fn new() -> Self {
        let length = u64::from(BLOCK_LENGTH);
        let total = u64::from((PIECES - 1) * BLOCKS + LAST_BLOCKS) * length - length / 2;
        let geometry = Geometry::new(BLOCKS * BLOCK_LENGTH, &[total]).unwrap();
        let mut map = PieceMap::new(Arc::new(geometry));
        map.set_wanted(|piece| piece.get() != UNWANTED);
        let count = PIECES as usize;
        Self { map, model: vec![ModelPiece::Missing; count], had_armed: vec![false; count] }
    }

    /// Makes a step in both, and compares what it returns.
    fn step(&mut self, step: Step, block: Block, source: Source) {
        let Self { map, model, .. } = self;
        let (piece, at) = (block.piece(), block.index().as_usize());
        let count = map.geometry.block_count(piece) as usize;
        let model_piece = &mut model[piece.as_usize()];
        match step {
            Step::Ask => {
                if !matches!(model_piece.state(), PieceState::Missing | PieceState::Open) {
                    return;
                }
                if *model_piece == ModelPiece::Missing {
                    *model_piece = ModelPiece::Begun(vec![ModelBlock::default(); count]);
                }
                map.ask(block, source);
                let ModelPiece::Begun(blocks) = model_piece else { return };
                if blocks[at].is_stored() {
                    return;
                }
                let ModelBlock { asked, armed, .. } = &mut blocks[at];
                for list in [asked, armed] {
                    if !list.contains(&source) {
                        list.push(source);
                    }
                }
            }
            Step::Withdraw { gone } => {
                let is_freed = map.withdraw(block, source, gone);
                let ModelPiece::Begun(blocks) = model_piece else { return assert!(!is_freed) };
                let was_asked = !blocks[at].asked.is_empty();
                blocks[at].asked.retain(|&other| other != source);
                blocks[at].armed.retain(|&other| !gone || other != source);
                assert_eq!(is_freed, was_asked && blocks[at].asked.is_empty());
                model_piece.close();
            }
            Step::Store => {
                let stored = map.store(block, source, by(source));
                let ModelPiece::Begun(blocks) = model_piece else {
                    return assert_eq!(stored, None);
                };
                let is_new = !blocks[at].is_stored();
                let mut disarm = std::mem::take(&mut blocks[at].armed);
                disarm.retain(|&other| other != source);
                blocks[at].asked.clear();
                if !blocks[at].is_proved {
                    blocks[at].senders.push(by(source));
                }
                let piece_is_full = blocks.iter().all(ModelBlock::is_stored);
                assert_eq!(stored, is_new.then_some(Stored { disarm, piece_is_full }));
            }
            Step::Prove => {
                let is_whole = map.prove(block);
                let ModelPiece::Begun(blocks) = model_piece else { return assert!(!is_whole) };
                if blocks[at].is_stored() {
                    blocks[at] = ModelBlock { is_proved: true, ..ModelBlock::default() };
                }
                assert_eq!(is_whole, blocks.iter().all(|block| block.is_proved));
            }
            Step::Refute => {
                let senders = map.refute(block);
                let ModelPiece::Begun(blocks) = model_piece else {
                    return assert_eq!(senders, []);
                };
                assert_eq!(senders, std::mem::take(&mut blocks[at].senders));
                model_piece.close();
            }
            Step::Reset => {
                // A piece whose blocks are all verified is verified, and not given up.
                let blocks = model_piece.blocks();
                if !blocks.is_empty() && blocks.iter().all(|block| block.is_proved) {
                    return;
                }
                map.reset(piece);
                match model_piece {
                    ModelPiece::Found => *model_piece = ModelPiece::Missing,
                    ModelPiece::Begun(blocks) => {
                        let unproved = blocks.iter_mut().filter(|block| !block.is_proved);
                        unproved.for_each(|block| *block = ModelBlock::default());
                        model_piece.close();
                    }
                    _ => {}
                }
            }
            Step::LoseBegun => {
                let had_proved = model_piece.blocks().iter().any(|block| block.is_proved);
                assert_eq!(map.lose_begun(piece), had_proved);
                if matches!(model_piece, ModelPiece::Found | ModelPiece::Begun(_)) {
                    *model_piece = ModelPiece::Missing;
                }
            }
            Step::Verified => {
                // Nothing may write to a piece that is verified.
                if !model_piece.has_armed() {
                    map.verified(piece);
                    *model_piece = ModelPiece::Have;
                }
            }
            Step::Lose => {
                map.lose(piece, piece.get() != UNWANTED);
                if *model_piece == ModelPiece::Have {
                    *model_piece = ModelPiece::Missing;
                }
            }
            Step::MarkUnchecked => {
                map.mark_unchecked(piece);
                if *model_piece == ModelPiece::Missing {
                    *model_piece = ModelPiece::Unchecked;
                }
            }
            Step::ClearUnchecked => {
                let was_unchecked = *model_piece == ModelPiece::Unchecked;
                assert_eq!(map.clear_unchecked(piece), was_unchecked);
                if was_unchecked {
                    *model_piece = ModelPiece::Missing;
                }
            }
            Step::BeginCheck => {
                if *model_piece == ModelPiece::Unchecked {
                    map.begin_check(piece);
                    *model_piece = ModelPiece::Found;
                }
            }
            Step::Unlink => {
                map.unlink();
                for (model_piece, had_armed) in model.iter_mut().zip(&mut self.had_armed) {
                    *had_armed = false;
                    match model_piece {
                        _ if model_piece.state() == PieceState::Hashing => {
                            *model_piece = ModelPiece::Unchecked;
                        }
                        ModelPiece::Begun(blocks) => {
                            let lost = blocks.iter_mut().filter(|block| !block.is_stored());
                            lost.for_each(|block| *block = ModelBlock::default());
                            model_piece.close();
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Compares all that the map says.
    fn compare(&mut self) {
        let changes = self.map.take_armed_changes();
        let map = &mut self.map;
        let begun = |model: &ModelPiece| matches!(model, ModelPiece::Found | ModelPiece::Begun(_));
        for (piece, model) in (0..).map(testing::piece).zip(&self.model) {
            let blocks = model.blocks();
            let index = |at: usize| testing::block_index(u32::try_from(at).unwrap());
            let block = |at: usize| testing::block(piece.get(), index(at).get());
            assert_eq!(map.state(piece), model.state());
            let had_armed =
                std::mem::replace(&mut self.had_armed[piece.as_usize()], model.has_armed());
            assert_eq!(map.has_armed(piece), model.has_armed());
            assert!(had_armed == model.has_armed() || changes.contains(&piece), "a change");
            let count = map.geometry.block_count(piece) as usize;
            let is_free = |at: usize| match model.state() {
                PieceState::Missing => true,
                PieceState::Open => blocks[at].is_free(),
                _ => false,
            };
            let first = (0..count).find(|&at| is_free(at));
            assert_eq!(map.first_free(piece), first.map(block));
            for at in 0..count {
                assert_eq!(map.is_free(block(at)), is_free(at));
                let later = (at..count).find(|&at| is_free(at));
                assert_eq!(map.first_free_from(piece, index(at)), later.or(first).map(block));
                let mut later =
                    (at..count).skip_while(|&at| blocks.get(at).is_some_and(|it| it.is_proved));
                assert_eq!(map.first_unproved(piece, index(at)), later.next().map(index));
                for source in [A, B] {
                    let is_armed = blocks.get(at).is_some_and(|it| it.armed.contains(&source));
                    assert_eq!(map.is_armed(block(at), source), is_armed);
                }
            }
            let stored = blocks.iter().filter(|block| block.is_stored()).count();
            assert_eq!(map.stored_blocks(piece) as usize, stored);
            let underway = match model {
                ModelPiece::Found => 255,
                _ => blocks.iter().filter(|block| !block.is_free()).count() * 255 / count,
            };
            assert_eq!(usize::from(map.underway(piece)), underway);
            let asked: Vec<(Block, Vec<Source>)> =
                map.asked(piece).map(|(block, sources)| (block, sources.to_vec())).collect();
            let expected: Vec<(Block, Vec<Source>)> = (0..blocks.len())
                .filter(|&at| !blocks[at].asked.is_empty())
                .map(|at| (block(at), blocks[at].asked.clone()))
                .collect();
            assert_eq!(asked, expected);
            let unproved = (0..blocks.len()).filter(|&at| !blocks[at].senders.is_empty());
            assert!(map.unproved(piece).eq(unproved.map(block)));
            let senders: Vec<Vec<Sender>> =
                blocks.iter().map(|block| block.senders.clone()).collect();
            assert_eq!(map.senders(piece), senders);
            let (is_had, is_wanted) = (*model == ModelPiece::Have, piece.get() != UNWANTED);
            assert_eq!(map.have().get(piece.get()), is_had);
            assert_eq!(map.unneeded().get(piece.get()), is_had || !is_wanted);
            assert_eq!(map.unchecked().get(piece.get()), *model == ModelPiece::Unchecked);
        }
        let numbered = || (0..).map(testing::piece).zip(&self.model);
        assert!(map.begun().eq(numbered().filter(|it| begun(it.1)).map(|it| it.0)));
        assert_eq!(map.begun_count(), self.model.iter().filter(|it| begun(it)).count());
        let had = || numbered().filter(|it| *it.1 == ModelPiece::Have).map(|it| it.0);
        let bytes: u64 = had().map(|piece| u64::from(map.geometry.content_len(piece))).sum();
        assert_eq!(map.verified_bytes(), bytes);
        assert_eq!(map.is_complete(), had().count() == self.model.len());
        let is_done = had().filter(|piece| piece.get() != UNWANTED).count() + 1 == self.model.len();
        assert_eq!(map.is_done(), is_done);
    }
}

fn steps() -> impl Strategy<Value = (Step, u32, u32, bool)> {
    let step = prop_oneof![
        12 => Just(Step::Ask),
        4 => Just(Step::Withdraw { gone: false }),
        3 => Just(Step::Withdraw { gone: true }),
        14 => Just(Step::Store),
        6 => Just(Step::Prove),
        2 => Just(Step::Refute),
        1 => Just(Step::Reset),
        1 => Just(Step::LoseBegun),
        1 => Just(Step::Verified),
        1 => Just(Step::Lose),
        1 => Just(Step::MarkUnchecked),
        1 => Just(Step::ClearUnchecked),
        1 => Just(Step::BeginCheck),
        1 => Just(Step::Unlink),
    ];
    (step, 0..PIECES, 0..BLOCKS, any::<bool>())
}

proptest! {
    #[test]
    fn the_map_says_what_a_model_without_counts_says(
        steps in proptest::collection::vec(steps(), 1..120),
    ) {
        let mut pair = Pair::new();
        pair.compare();
        for (step, piece, index, is_a) in steps {
            let (piece, source) = (testing::piece(piece), if is_a { A } else { B });
            let index = index % pair.map.geometry.block_count(piece);
            pair.step(step, testing::block(piece.get(), index), source);
            pair.compare();
        }
    }
}
