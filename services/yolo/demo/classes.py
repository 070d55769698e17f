"""What `demo-drawing-symbols` finds, in the order of its classes, and what a box encloses."""

CLASSES: dict[str, str] = {
    "dimension": "the text of one dimension with its tolerances and box, without its lines",
    "feature_control_frame": "the outer frame of one geometrical tolerance, all rows and cells",
    "datum": "a datum letter in its box, with triangle and stem",
    "surface_texture": "a surface-texture mark with its text",
    "section_mark": "one end of a section line: arrow and letter",
    "title_block": "the whole title block",
    "table": "a parts list, revision table or hole table",
    "notes": "a block of notes, heading included",
    "balloon": "an item number in a circle, without its leader",
    "view": "the outline of one view of the part, without its dimensions",
}
CLASS_NAMES: tuple[str, ...] = tuple(CLASSES)
CLASS_ID: dict[str, int] = {name: index for index, name in enumerate(CLASS_NAMES)}
