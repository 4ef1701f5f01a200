//! As much of Markdown as our own documents use.

use std::collections::BTreeSet;

use keepsake_tests::harness::repository;

const FENCE: &str = "```";

/// One document of the repository.
pub(super) struct Document {
    text: String,
}

impl Document {
    pub(super) fn read(name: &str) -> Self {
        Self { text: std::fs::read_to_string(repository().join(name)).expect(name) }
    }

    /// The commands of the blocks that follow `marker`; neither comments nor empty lines.
    pub(super) fn block_after(&self, marker: &str) -> Vec<&str> {
        let lines = self.text.split(marker).skip(1).flat_map(|rest| {
            let mut lines = rest.lines().skip_while(|line| line.is_empty());
            assert!(lines.next().is_some_and(|line| line.starts_with(FENCE)), "a block follows {marker}");
            lines.take_while(|line| !line.starts_with(FENCE))
        });
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    /// The lines of its blocks, and what stands between backticks.
    pub(super) fn code(&self) -> Vec<String> {
        let (prose, mut code) = self.prose_and_blocks();
        let spans = prose.split('`').skip(1).step_by(2);
        code.extend(spans.map(str::to_owned));
        code
    }

    /// The files it links to, without the section.
    pub(super) fn links(&self) -> Vec<String> {
        let (prose, _) = self.prose_and_blocks();
        let targets = prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        let files = targets.filter(|target| !target.contains("://")).map(|target| target.split('#').next());
        files.flatten().filter(|file| !file.is_empty()).map(str::to_owned).collect()
    }

    /// The cells of each row of its tables.
    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let rows = self.text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
        rows.map(|row| row.split('|').map(str::trim).collect())
    }

    /// The headings of one level, such as `### `.
    pub(super) fn headings(&self, level: &str) -> BTreeSet<String> {
        self.text.lines().filter_map(|line| line.strip_prefix(level)).map(str::to_owned).collect()
    }

    /// Everything outside of blocks as one text, and the lines inside of them.
    fn prose_and_blocks(&self) -> (String, Vec<String>) {
        let (mut prose, mut blocks, mut in_block) = (String::new(), Vec::new(), false);
        for line in self.text.lines() {
            if line.trim_start().starts_with(FENCE) {
                in_block = !in_block;
            } else if in_block {
                blocks.push(line.to_owned());
            } else {
                prose += line;
                prose.push('\n');
            }
        }
        (prose, blocks)
    }
}
