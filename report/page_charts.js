// SPDX-License-Identifier: MIT
// Charts, drawn at the width that there is, and again when that changes.

const MARGIN = {left: 54, right: 10, top: 8, bottom: 22};

// A scale of values: {at(value) in 0..1, ticks}. Logarithmic when they spread widely.
function scaleOf(values, allowLog) {
    const positive = values.filter(v => v > 0);
    const max = Math.max(...positive, 0), min = Math.min(...positive, max);
    if (!allowLog || max < 50 * min || positive.length < 2) {
        const ticks = ticksTo(max, 4), end = ticks[ticks.length - 1];
        return {at: v => v / end, ticks, log: false};
    }
    const low = Math.floor(Math.log10(min)), high = Math.ceil(Math.log10(max));
    const ticks = [];
    for (let e = low; e <= high; e++)
        ticks.push(10 ** e);
    return {at: v => v > 0 ? Math.max(0, (Math.log10(v) - low) / (high - low)) : 0, ticks, log: true};
}

// Of the ticks those that have room for their texts; the last one always.
function spaced(ticks, frame) {
    const kept = [];
    for (const tick of [...ticks].reverse())
        if (kept.length === 0 || frame.x(kept[0][0]) - frame.x(tick[0]) > 44)
            kept.unshift(tick);
    return kept;
}

// What all charts share. spec: {title, note, height, series: [{name, color, dashed}], x: {from, to,
// ticks: [[value, text]]}, y: scale, format, points: x of each value, label(i), draw(frame)}.
function chart(spec) {
    const legend = el('div', {class: 'legend'});
    const holder = el('div', {});
    const card = el('section', {class: 'card ' + (spec.class || '')}, el('h3', {}, spec.title),
        spec.note && el('p', {class: 'dim small'}, spec.note), legend, holder);
    const swatch = s => el('i', {class: 'fill-' + s.color});
    function tell(i) {
        legend.replaceChildren(
            ...(i === null ? [] : [el('b', {}, spec.label(i))]),
            ...spec.series.map(s => el('span', {}, swatch(s), s.name,
                i === null ? '' : ' ', i !== null && el('b', {}, s.values[i] === null ? '–' :
                    spec.format(s.values[i])))));
    }
    function draw() {
        const width = Math.max(260, Math.floor(holder.clientWidth || 520));
        const height = spec.height || 220;
        const frame = {
            width, height,
            x: v => MARGIN.left + (v - spec.x.from) / (spec.x.to - spec.x.from || 1) *
                (width - MARGIN.left - MARGIN.right),
            y: v => height - MARGIN.bottom - spec.y.at(v) * (height - MARGIN.top - MARGIN.bottom),
        };
        const cursor = svg('line', {class: 'cursor', y1: MARGIN.top, y2: height - MARGIN.bottom,
            visibility: 'hidden'});
        const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img',
            'aria-label': spec.title},
            spec.y.ticks.map(v => [
                svg('line', {class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right,
                    y1: frame.y(v), y2: frame.y(v)}),
                svg('text', {x: MARGIN.left - 6, y: frame.y(v) + 4, 'text-anchor': 'end'},
                    spec.format(v))]),
            spaced(spec.x.ticks, frame)
                .map(([v, text], i, all) => svg('text', {x: frame.x(v), y: height - 6,
                    'text-anchor': frame.x(v) > width - 30 ? 'end' :
                        i === 0 && v === spec.x.from ? 'start' : 'middle'}, text)),
            spec.draw(frame), cursor);
        picture.addEventListener('pointermove', event => {
            const box = picture.getBoundingClientRect();
            const at = (event.clientX - box.left) * width / box.width;
            let best = 0;
            spec.points.forEach((p, i) => {
                if (Math.abs(frame.x(p) - at) < Math.abs(frame.x(spec.points[best]) - at))
                    best = i;
            });
            cursor.setAttribute('x1', frame.x(spec.points[best]));
            cursor.setAttribute('x2', frame.x(spec.points[best]));
            cursor.setAttribute('visibility', 'visible');
            tell(best);
        });
        picture.addEventListener('pointerleave', () => {
            cursor.setAttribute('visibility', 'hidden');
            tell(null);
        });
        holder.replaceChildren(picture);
    }
    tell(null);
    let drawn = 0;
    const observer = new ResizeObserver(() => requestAnimationFrame(() => {
        if (holder.clientWidth !== drawn) {
            drawn = holder.clientWidth;
            draw();
        }
    }));
    observer.observe(holder);
    draw();
    return card;
}

// Lines through the values that there are; a value alone is a dot.
function line(frame, series, points, ends) {
    const parts = [];
    let run = [];
    const finish = () => {
        if (run.length > 0)
            parts.push(run);
        run = [];
    };
    series.values.forEach((v, i) => v === null ? finish() : run.push([points[i], v]));
    finish();
    return parts.map(part => {
        if (ends && part.length > 0) { // to the edges of the first and the last slot
            part = [[part[0][0] - ends / 2, part[0][1]], ...part,
                [part[part.length - 1][0] + ends / 2, part[part.length - 1][1]]];
        }
        const xy = part.map(([x, v]) => `${frame.x(x).toFixed(1)} ${frame.y(v).toFixed(1)}`);
        const bottom = frame.height - MARGIN.bottom;
        return [
            series.area && svg('path', {class: 'area fill-' + series.color,
                d: `M${frame.x(part[0][0]).toFixed(1)} ${bottom}L${xy.join('L')}` +
                    `L${frame.x(part[part.length - 1][0]).toFixed(1)} ${bottom}Z`}),
            svg('path', {class: series.color + (series.dashed ? ' dashed' : ''),
                d: 'M' + xy.join('L')})];
    });
}

// The x axis of a series over time: from its start, in seconds, minutes or hours.
function timeAxis(slots) {
    const end = slots.width * slots.n;
    const [unit, text] = end >= 7200 ? [3600, ' h'] : end >= 180 ? [60, ' min'] : [1, ' s'];
    const ticks = ticksTo(end / unit, 6).map(t => t * unit).filter(t => t <= end * 1.001);
    return {from: 0, to: end, ticks: ticks.map(t => [t, number(t / unit) + text])};
}

const slotLabel = slots => i => 'at ' + duration(slots.width * i);

function timeLines(slots, spec) {
    const points = spec.series[0].values.map((v, i) => slots.width * (i + 0.5));
    const y = scaleOf(spec.series.flatMap(s => s.values), spec.log);
    return chart({...spec, points, y, x: timeAxis(slots), label: slotLabel(slots),
        title: spec.title + (y.log ? ' (logarithmic)' : ''),
        draw: frame => spec.series.map(s => line(frame, s, points, slots.width))});
}

function timeBars(slots, spec) {
    const points = spec.series[0].values.map((v, i) => slots.width * (i + 0.5));
    const totals = points.map((p, i) => sum(spec.series.map(s => s.values[i])));
    const y = scaleOf(totals, false);
    return chart({...spec, points, y, x: timeAxis(slots), label: slotLabel(slots),
        draw: frame => points.map((p, i) => {
            let below = 0;
            return spec.series.filter(s => s.values[i] > 0).map(s => {
                const from = frame.y(below), to = frame.y(below += s.values[i]);
                const left = frame.x(slots.width * i), right = frame.x(slots.width * (i + 1));
                return svg('rect', {class: 'fill-' + s.color, x: left.toFixed(1), y: to.toFixed(1),
                    width: Math.max(1, right - left - 0.5).toFixed(1),
                    height: Math.max(1, from - to).toFixed(1)});
            });
        })});
}

// Curves of [share, seconds], with as much room for 99 to 99.9 % as for 90 to 99 %.
function percentiles(spec) {
    const ends = spec.curves.map(c => c.curve[c.curve.length - 2]?.[0] ?? 0);
    const last = Math.max(1, Math.ceil(-Math.log10(1 - Math.max(...ends) || 1) * 2) / 2) + 0.35;
    const place = p => p === 1 ? last : -Math.log10(1 - p);
    const all = [...new Set(spec.curves.flatMap(c => c.curve.map(([p]) => p)))].sort((a, b) => a - b);
    const series = spec.curves.map(c => {
        const of = new Map(c.curve);
        return {...c, values: all.map(p => of.get(p) ?? null)};
    });
    const points = all.map(place);
    const ticks = [0, 0.5, 0.9, 0.99, 0.999, 0.9999].filter(p => place(p) < last - 0.3)
        .map(p => [place(p), percent(p)]);
    const y = scaleOf(series.flatMap(s => s.values), true);
    return chart({...spec, series, points, y, format: duration,
        title: spec.title + (y.log ? ' (logarithmic)' : ''),
        x: {from: 0, to: last, ticks: [...ticks, [last, 'max']]},
        label: i => all[i] === 1 ? 'longest' : percent(all[i]) + ' within',
        draw: frame => series.map(s =>
            line(frame, {...s, values: s.values.filter(v => v !== null)},
                points.filter((p, i) => s.values[i] !== null)))});
}
