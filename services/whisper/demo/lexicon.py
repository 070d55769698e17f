"""The words, slots and sentence patterns that `grammar.py` draws from."""

# fmt: off
SLOTS: dict[str, tuple[str, ...]] = {
    "number": (
        "{integer}", "{integer}", "{decimal}", "{small}", "minus {decimal}",
    ),
    "unit": (
        "millimetres", "micrometres", "centimetres", "metres", "inches", "degrees", "grams",
        "kilograms", "seconds", "minutes", "hours", "percent", "volts", "watts", "bar", "litres",
        "newtons", "pieces",
    ),
    "quantity": (
        "{number} {unit}", "{number} {unit}", "{decimal} millimetres", "{integer} {unit}",
    ),
    "part": (
        "bracket", "shaft", "bearing", "flange", "housing", "plate", "bolt", "washer", "gear",
        "bore", "valve", "piston", "spring", "sleeve", "pin", "nut", "screw", "cover", "frame",
        "rotor", "blade", "nozzle", "pipe", "disc", "cylinder", "clamp", "lever", "seal", "ring",
        "wheel",
    ),
    "material": (
        "steel", "aluminium", "brass", "copper", "plastic", "rubber", "titanium", "cast iron",
        "bronze", "nylon",
    ),
    "feature": (
        "diameter", "length", "width", "height", "thickness", "depth", "radius", "angle", "weight",
        "flatness", "roundness", "position", "surface finish", "thread", "hardness", "roughness",
        "cylindricity", "clearance",
    ),
    "defect": (
        "scratch", "crack", "dent", "burr", "stain", "hole", "chip", "rust", "leak",
        "missing screw", "sharp edge", "loose bolt", "bent pin", "broken tooth", "paint defect",
        "air bubble",
    ),
    "place": (
        "workshop", "office", "warehouse", "kitchen", "garden", "station", "market", "school",
        "hospital", "factory", "garage", "library", "hotel", "airport", "laboratory", "corridor",
    ),
    "tool": (
        "caliper", "micrometer", "camera", "microscope", "drill", "hammer", "wrench",
        "screwdriver", "gauge", "laser", "scanner", "lathe", "saw", "robot", "press",
        "milling machine", "crane", "lamp",
    ),
    "person": (
        "the operator", "the inspector", "the engineer", "my brother", "my sister", "the teacher",
        "the doctor", "the driver", "our customer", "the manager", "a friend", "the supplier",
        "Anna", "Peter", "Maria", "David", "Sarah", "Thomas",
    ),
    "colour": (
        "red", "green", "blue", "yellow", "black", "white", "grey", "orange", "brown", "purple",
        "silver",
    ),
    "state": (
        "good", "bad", "clean", "dirty", "new", "old", "broken", "ready", "empty", "full", "hot",
        "cold", "open", "closed", "dry", "wet", "heavy", "light", "loose", "tight", "worn",
        "smooth", "rough", "damaged", "fine",
    ),
    "day": (
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "today",
        "tomorrow", "next week",
    ),
    "month": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
    "clock": (
        "{small} o'clock", "half past {small}", "quarter to {small}", "noon", "midnight",
        "ten minutes past {small}",
    ),
    "action": (
        "check", "measure", "clean", "replace", "inspect", "remove", "tighten", "repair", "polish",
        "weigh", "test", "paint", "turn", "move", "lift", "mark", "adjust", "record", "photograph",
        "pack",
    ),
    "thing": (
        "book", "letter", "table", "chair", "window", "door", "car", "train", "phone", "computer",
        "coffee", "bread", "water", "bottle", "key", "bag", "ticket", "picture", "box", "clock",
        "report", "drawing", "message", "list",
    ),
    "where": (
        "on the left", "on the right", "at the top", "near the edge", "in the middle",
        "at the bottom", "behind the {part}", "under the {thing}", "inside the {part}",
        "next to the {tool}",
    ),
    "when": (
        "this morning", "last night", "at {clock}", "on {day}", "in {month}", "every day",
        "right now", "after lunch",
    ),
    "verdict": (
        "passed", "failed", "accepted", "rejected", "scrapped", "approved", "out of tolerance",
        "within tolerance",
    ),
    "size": (
        "small", "large", "long", "short", "deep", "tiny", "wide", "narrow",
    ),
}

TEMPLATES: tuple[str, ...] = (
    # measurements and inspection
    "the {feature} of the {part} is {quantity}.", "the {feature} is {quantity}.",
    "{feature} {quantity}.", "the nominal {feature} is {decimal} millimetres.",
    "the deviation is {decimal} {unit}.", "the tolerance is plus minus {decimal} millimetres.",
    "{action} the {feature} of the {part}.", "the {part} number {digits} {verdict}.",
    "part number {digits} {verdict} the inspection.", "serial number {digits}.",
    "order number {digits} has {small} pieces.", "batch {digits} was {verdict} {when}.",
    "there is a {size} {defect} {where}.", "I see a {defect} on the {part}.",
    "found {small} defects on the {part}.",
    "there is a {defect} near the {part}, please {action} it.",
    "no {defect} was found on the {material} {part}.", "the {part} is made of {material}.",
    "the {material} {part} weighs {quantity}.", "the {part} is {state}.",
    "the {part} is {state} and the {part} is {state}.", "is the {part} {state}?",
    "the {feature} is {verdict}.", "please {action} the {part} with the {tool}.",
    "{action} the {tool} before you {action} the {part}.",
    "use the {tool} to {action} the {part}.", "the {tool} is in the {place}.",
    "the {tool} shows {number}.", "{person} will {action} the {part} {when}.",
    "{person} {verdict} the {part}.", "move the {tool} {quantity} to the left.",
    "the temperature is {number} degrees.", "the pressure is {decimal} bar.",
    "the speed is {integer} metres per second.", "set the {tool} to {quantity}.",
    "start the machine.", "stop the machine now.", "measurement {small} is {decimal}.",
    "drill {small} holes of {quantity}.", "position {small} is at {decimal} and {decimal}.",
    "the result is {number}.", "the {colour} {part} goes {where}.",
    "we need {integer} {material} parts.", "camera {small} is {state}.",
    "the first part is {state}, the second part is {state}.",
    "the average {feature} is {quantity}.", "save the report and send it to {person}.",
    "next part please.", "repeat the measurement.", "the inspection is finished.",
    "{integer} parts were {verdict} and {integer} parts were {verdict}.",
    "the flatness is {decimal} millimetres.",
    # numbers alone
    "{digits}.", "{number}.", "{number} and {number}.", "{quantity}.", "{integer} times {small}.",
    "{small}, {small}, {small}.",
    # everyday
    "{person} is in the {place}.", "where is the {thing}?", "the {thing} is {where}.",
    "I will be there {when}.", "{person} bought a {colour} {thing} {when}.",
    "can you bring the {thing} to the {place}?", "the {thing} is {colour}.",
    "my {thing} is {state}.", "we are going to the {place} {when}.",
    "the train leaves at {clock}.", "it is {clock}.", "what time is it?",
    "how much does the {thing} cost?", "the {thing} costs {integer} dollars.", "good morning.",
    "thank you very much.", "see you {day}.", "please open the {thing}.",
    "the weather is {state} today.", "today is {day}, the {small} of {month}.",
    "{person} called {person} {when}.", "I do not know.", "yes, that is right.",
    "no, the {thing} is not {state}.", "{person} has a {state} {thing} and a {state} {thing}.",
    "how are you?", "{person} and {person} are working in the {place}.",
    "I would like a {thing}, please.", "the meeting is {when}.",
    "my phone number is {digits} {digits}.", "the {place} is {integer} metres from here.",
    "they live near the {place}.", "did you see the {colour} {thing}?",
    "we waited for {small} hours at the {place}.", "this is a test of the microphone.",
    "{person} wants to know how long it takes.", "the {thing} was on the {thing} in the {place}.",
    "turn on the light.", "our {thing} arrived {when} with {small} {colour} boxes.",
    "I think that {person} forgot the {thing}.",
)
# fmt: on
