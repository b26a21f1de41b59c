// SPDX-License-Identifier: MIT
// Elements and numbers. All text comes into the page as text, never as markup.

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {}))
        if (value !== undefined && value !== null && value !== false)
            node.setAttribute(name, value);
    for (const child of children.flat(Infinity))
        if (child !== undefined && child !== null && child !== false)
            node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    return node;
}

const el = (tag, attributes, ...children) =>
    fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
    fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

const sum = list => list.reduce((a, b) => a + b, 0);

function number(n) {
    return n.toLocaleString('en-US', {maximumFractionDigits: n < 10 ? 2 : n < 100 ? 1 : 0});
}

function share(part, whole) {
    if (!whole)
        return '0 %';
    const percent = 100 * part / whole;
    if (part > 0 && percent < 0.01)
        return '< 0.01 %';
    if (part < whole && percent > 99.99)
        return '> 99.99 %';
    return percent.toLocaleString('en-US', {maximumFractionDigits: 2}) + ' %';
}

const percent = p => (100 * p).toLocaleString('en-US', {maximumFractionDigits: 2}) + ' %';

// Three digits and the unit that suits.
function duration(s) {
    if (s === undefined || s === null)
        return '–';
    if (s === 0)
        return '0 ms';
    if (s >= 120)
        return Math.floor(s / 60) + ' min ' + Math.round(s % 60) + ' s';
    const [value, unit] = s >= 1 ? [s, 's'] : s >= 1e-3 ? [s * 1e3, 'ms'] : [s * 1e6, 'µs'];
    return Number(value.toPrecision(3)).toLocaleString('en-US') + ' ' + unit;
}

const rate = n => number(n) + '/s';

// Round numbers from 0 to at least max, about n of them.
function ticksTo(max, n) {
    if (!(max > 0))
        return [0, 1];
    const raw = max / n, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map(f => f * power).find(s => s >= raw * 0.999);
    const ticks = [];
    for (let i = 0; ; i++) {
        ticks.push(i * step);
        if (i * step >= max * 0.999)
            return ticks;
    }
}

// A word for people who use the table: n of one thing, or of several.
const many = (n, one, more) => number(n) + ' ' + (n === 1 ? one : more || one + 's');

function table(columns, rows) {
    const cell = (column, tag, content) =>
        el(tag, {class: [column.n ? 'n' : '', column.class || ''].join(' ').trim() || null}, content);
    return el('table', {},
        columns.some(c => c.title) &&
            el('thead', {}, el('tr', {}, columns.map(c => cell(c, 'th', c.title)))),
        el('tbody', {}, rows.map(row =>
            el('tr', {}, columns.map((c, i) => cell(c, 'td', row[i]))))));
}

// A table whose heads sort it. rows: objects; column: {title, value(row), show(row), n}.
function sortable(columns, rows, first, limit) {
    const box = el('div', {});
    let by = first, down = true, all = rows.length <= limit + 5;
    function order(a, b) {
        const [x, y] = [columns[by].value(a), columns[by].value(b)];
        const result = typeof x === 'number' || typeof y === 'number' ?
            (x ?? -1) - (y ?? -1) : String(x).localeCompare(String(y));
        return down ? -result : result;
    }
    function draw() {
        const sorted = [...rows].sort(order);
        const heads = columns.map((c, i) => ({...c, title: el('button', {type: 'button',
            'aria-label': 'sort by ' + c.title},
            c.title + (i === by ? down ? ' ▾' : ' ▴' : ''))}));
        heads.forEach((c, i) => c.title.addEventListener('click', () => {
            down = i === by ? !down : !!columns[i].n;
            by = i;
            draw();
        }));
        const more = !all && el('button', {type: 'button', class: 'more'},
            'Show all ' + number(rows.length));
        if (more)
            more.addEventListener('click', () => { all = true; draw(); });
        box.replaceChildren(...[
            el('div', {class: 'scroll'}, table(heads,
                sorted.slice(0, all ? sorted.length : limit)
                    .map(row => columns.map(c => c.show ? c.show(row) : c.value(row))))),
            more].filter(Boolean));
    }
    window.addEventListener('beforeprint', () => { all = true; draw(); });
    draw();
    return box;
}

// Names with a bar for each: [{name, title, count, color}].
function bars(items, whole) {
    const top = Math.max(...items.map(i => i.count));
    return table([{}, {class: 'track'}, {n: true}, {n: true}], items.map(item => {
        const bar = el('div', {class: 'bar fill-' + item.color});
        bar.style.width = 100 * item.count / top + '%';
        return [item.name, bar, number(item.count), share(item.count, whole)];
    }));
}
