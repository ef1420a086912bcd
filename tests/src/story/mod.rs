//! The story that the demo plays and that an end-to-end test plays too: a region fails over for real.
//!
//! [`world`] sets the stage, [`play`] tells the story on it, [`voice`] is how it is heard: live in a
//! terminal, or kept quiet and checked by a test. There is one story, so what the demo shows is what the
//! test proves.

pub mod estate;
pub mod play;
pub mod voice;
pub mod world;
