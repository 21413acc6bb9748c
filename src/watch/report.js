// The report of a run: draws what the page holds as JSON. It asks for nothing and keeps nothing but how it was looked at,
// for as long as the tab lives, so that a page that reloads itself looks as before.
(function () {
  'use strict';
  const data = JSON.parse(document.getElementById('data').textContent);
  const main = document.querySelector('main');
  const COLORS = 8;
  const DASHES = ['', '6 3', '2 2', '8 3 2 3'];

  // How the page is looked at.
  const key = 'reel:' + location.pathname;
  let view = {smoothing: 0, log: false, x: 'step', reload: false, hidden: {}, at: {}};
  try {
    view = Object.assign(view, JSON.parse(sessionStorage.getItem(key) || '{}'));
  } catch (error) { /* A browser that keeps nothing for files. */ }
  function keep() {
    try {
      sessionStorage.setItem(key, JSON.stringify(view));
    } catch (error) { /* as above */ }
  }

  function make(tag, attributes, ...children) {
    const svg = ['svg', 'path', 'line', 'rect', 'text', 'g'].includes(tag);
    const element = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children.filter(child => child !== undefined));
    return element;
  }

  function section(title, ...children) {
    const element = make('section', {}, make('h2', {}, title), ...children);
    main.append(element);
    return element;
  }

  // ---- Numbers ----

  function short(value) {
    if (value === null || !Number.isFinite(value)) return '–';
    const size = Math.abs(value);
    if (value !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace('e+', 'e');
    return size >= 1000 ? value.toLocaleString('en', {maximumFractionDigits: 0}) : String(Number(value.toPrecision(4)));
  }

  function duration(seconds) {
    const s = Math.round(seconds), two = n => String(n).padStart(2, '0');
    return s < 3600 ? Math.floor(s / 60) + ':' + two(s % 60)
                    : Math.floor(s / 3600) + ':' + two(Math.floor(s / 60) % 60) + ':' + two(s % 60);
  }

  // Round numbers from low to high, about n of them; `least` apart.
  function ticks(low, high, n, least = 0) {
    const rough = Math.max((high - low) / n, least), power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map(f => f * power).find(f => f >= rough) || rough;
    const out = [];
    for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-12) && out.length < 50; k++) out.push(k * step);
    return out;
  }

  function logTicks(low, high) {
    const out = [];
    for (let e = Math.floor(low); e <= Math.ceil(high); e++)
      for (const f of high - low > 2 ? [1] : [1, 2, 5]) {
        const at = e + Math.log10(f);
        if (at >= low && at <= high) out.push(at);
      }
    return out;
  }

  // ---- Curves ----

  // An average of the last values, without the pull of the zero it starts from.
  function smooth(points, weight) {
    let sum = 0, share = 0;
    return points.map(([x, y]) => {
      if (y === null) return [x, y];
      sum = sum * weight + (1 - weight) * y;
      share = share * weight + (1 - weight);
      return [x, sum / share];
    });
  }

  function chart(name, curves) {
    const card = make('div', {class: 'card chart'});
    const reset = make('button', {type: 'button', hidden: true, onclick: () => { zoom = null; draw(); }}, 'whole');
    const svg = make('svg', {role: 'img', 'aria-label': name, height: 230});
    const legend = make('div', {class: 'legend'});
    let zoom = null, scale = null, dragged = null, lines = [];
    card.append(make('header', {}, make('h3', {}, name), reset), svg, legend);
    const entries = curves.map(curve => {
      const output = make('output', {});
      const button = make('button', {
        type: 'button',
        onclick: () => {
          view.hidden[curve.key] = !view.hidden[curve.key];
          keep();
          draw();
        }
      }, make('i', {style: 'border-color:' + curve.color + ';border-top-style:' + (curve.dash ? 'dashed' : 'solid')}),
         curve.label, output);
      legend.append(button);
      return {button, output};
    });

    function draw() {
      const width = Math.max(svg.clientWidth, 200), height = 230, left = 52, right = 8, top = 8, bottom = 24;
      svg.replaceChildren();
      svg.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
      reset.hidden = !zoom;
      lines = curves.map((curve, i) => {
        const hidden = Boolean(view.hidden[curve.key]);
        entries[i].button.setAttribute('aria-pressed', String(!hidden));
        const raw = curve.points.map(p => [view.x === 'step' ? p[0] : p[1], view.log && !(p[2] > 0) ? null : p[2]]);
        const shown = view.smoothing > 0 ? smooth(raw, view.smoothing) : raw;
        const last = shown.filter(p => p[1] !== null).pop();
        entries[i].output.textContent = last ? short(last[1]) : '–';
        return {curve, hidden, raw, shown, output: entries[i].output};
      });
      const y = value => view.log ? Math.log10(value) : value;
      let xs = [], ys = [];
      for (const line of lines)
        if (!line.hidden)
          for (const set of view.smoothing > 0 ? [line.shown] : [line.raw])
            for (const p of set)
              if (p[1] !== null && (!zoom || (p[0] >= zoom[0] && p[0] <= zoom[1]))) {
                xs.push(p[0]);
                ys.push(y(p[1]));
              }
      if (xs.length === 0) {
        svg.append(make('text', {x: width / 2, y: height / 2, 'text-anchor': 'middle'},
                        view.log ? 'nothing above zero' : 'no values'));
        scale = null;
        return;
      }
      const least = list => list.reduce((a, b) => Math.min(a, b)), most = list => list.reduce((a, b) => Math.max(a, b));
      let x0 = zoom ? zoom[0] : least(xs), x1 = zoom ? zoom[1] : most(xs), y0 = least(ys), y1 = most(ys);
      if (x0 === x1) { x0 -= 0.5; x1 += 0.5; }
      if (y0 === y1) { const m = Math.abs(y0) * 0.05 || 0.5; y0 -= m; y1 += m; }
      const margin = (y1 - y0) * 0.04;
      y0 -= margin;
      y1 += margin;
      const px = x => left + (x - x0) / (x1 - x0) * (width - left - right);
      const py = v => height - bottom - (v - y0) / (y1 - y0) * (height - top - bottom);
      scale = {x0, x1, left, right, width, px, py, y};
      for (const t of view.log ? logTicks(y0, y1) : ticks(y0, y1, 7))
        svg.append(make('line', {class: 'grid', x1: left, x2: width - right, y1: py(t), y2: py(t)}),
                   make('text', {x: left - 6, y: py(t) + 4, 'text-anchor': 'end'}, short(view.log ? Math.pow(10, t) : t)));
      for (const t of ticks(x0, x1, Math.max(2, Math.floor(width / 110)), view.x === 'step' ? 1 : 0))
        svg.append(make('text', {x: px(t), y: height - 6, 'text-anchor': px(t) > width - 24 ? 'end' : 'middle'},
                        view.x === 'step' ? short(t) : duration(t)));
      const inside = make('g', {});
      for (const line of lines) {
        if (line.hidden) continue;
        for (const [set, name] of view.smoothing > 0 ? [[line.raw, 'raw'], [line.shown, 'curve']] : [[line.raw, 'curve']])
          inside.append(make('path', {class: name, d: trace(set), style: 'stroke:' + line.curve.color,
                                      'stroke-dasharray': name === 'curve' ? line.curve.dash : ''}));
      }
      svg.append(inside);

      function trace(points) {
        let d = '', pen = false;
        for (let i = 0; i < points.length; i++) {
          const [x, v] = points[i];
          const near = x >= x0 && x <= x1 || (i > 0 && points[i - 1][0] <= x1 && x >= x0) ||
                       (i + 1 < points.length && points[i + 1][0] >= x0 && x <= x1);
          if (v === null || !near) { pen = false; continue; }
          const at = Math.max(left, Math.min(width - right, px(x))).toFixed(1);
          d += (pen ? 'L' : 'M') + at + ' ' + Math.max(0, Math.min(height - bottom, py(y(v)))).toFixed(1);
          // A point alone is a dash.
          if (!pen && (i + 1 === points.length || points[i + 1][1] === null)) d += 'm-4 0h8';
          pen = true;
        }
        return d;
      }
    }

    function at(event) {
      const box = svg.getBoundingClientRect(), s = scale;
      const x = Math.max(s.left, Math.min(s.width - s.right, (event.clientX - box.left) * s.width / box.width));
      return {pixel: x, x: s.x0 + (x - s.left) / (s.width - s.left - s.right) * (s.x1 - s.x0)};
    }
    function point(event) {
      svg.querySelectorAll('.cross, .band').forEach(element => element.remove());
      if (!scale) return;
      const here = at(event);
      if (dragged)
        svg.append(make('rect', {class: 'band', x: Math.min(dragged.pixel, here.pixel), y: 8,
                                 width: Math.abs(here.pixel - dragged.pixel), height: 198}));
      svg.append(make('line', {class: 'cross', x1: here.pixel, x2: here.pixel, y1: 8, y2: 206}));
      for (const line of lines) {
        const near = line.shown.filter(p => p[1] !== null)
                               .reduce((a, b) => a && Math.abs(a[0] - here.x) <= Math.abs(b[0] - here.x) ? a : b, null);
        if (near) line.output.textContent = short(near[1]) + ' @ ' + (view.x === 'step' ? short(near[0]) : duration(near[0]));
      }
    }
    svg.addEventListener('pointerdown', event => {
      if (!scale || event.pointerType === 'touch' && !event.isPrimary) return;
      dragged = at(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener('pointermove', point);
    svg.addEventListener('pointerup', event => {
      const from = dragged;
      dragged = null;
      if (from && scale) {
        const to = at(event);
        if (Math.abs(to.pixel - from.pixel) > 8) zoom = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
      }
      draw();
    });
    svg.addEventListener('pointerleave', () => { if (!dragged) draw(); });
    svg.addEventListener('pointercancel', () => { dragged = null; draw(); });
    svg.addEventListener('dblclick', () => { zoom = null; draw(); });
    return {card, draw};
  }

  function curves() {
    const groups = new Map();
    data.runs.forEach((run, r) => {
      for (const [name, points] of Object.entries(run.scalars)) {
        const slash = name.indexOf('/'), group = slash > 0 ? name.slice(0, slash) : name;
        if (!groups.has(group)) groups.set(group, new Map());
        const names = groups.get(group);
        if (!names.has(name)) names.set(name, []);
        names.get(name).push({run: r, points});
      }
    });
    if (groups.size === 0) return;
    const cards = make('div', {class: 'cards'}), charts = [];
    const redraw = () => { keep(); charts.forEach(c => c.draw()); };
    for (const [group, names] of groups) {
      const list = [];
      [...names].forEach(([name, runs], i) => {
        for (const {run, points} of runs) {
          // With one name a chart, colours are the runs'; else the names', and dashes the runs'.
          const color = names.size === 1 ? run : i;
          const label = name.slice(name.indexOf('/') + 1);
          list.push({
            key: name + '\n' + data.runs[run].name, points, label: data.runs.length > 1 ? label + ', ' + data.runs[run].name : label,
            color: 'var(--c' + color % COLORS + ')', dash: names.size === 1 ? '' : DASHES[run % DASHES.length]
          });
        }
      });
      const one = chart(group, list);
      charts.push(one);
      cards.append(one.card);
    }
    const smoothing = make('input', {type: 'range', min: 0, max: 0.99, step: 0.01, value: view.smoothing, id: 'smoothing',
                                     oninput: e => { view.smoothing = Number(e.target.value); redraw(); }});
    const log = make('input', {type: 'checkbox', id: 'log', onchange: e => { view.log = e.target.checked; redraw(); }});
    log.checked = view.log;
    const axis = make('select', {id: 'axis', onchange: e => { view.x = e.target.value; redraw(); }},
                      make('option', {value: 'step'}, data.step), make('option', {value: 'time'}, 'time'));
    axis.value = view.x;
    section('Curves', make('div', {class: 'controls'}, make('label', {}, 'smoothing', smoothing),
                           make('label', {}, log, 'logarithmic'), make('label', {}, 'over', axis)), cards,
            make('p', {class: 'hint'}, 'Drag across a chart to look closer; double-click for the whole. Click a name to hide it.'));
    charts.forEach(c => c.draw());
    let width = window.innerWidth;
    window.addEventListener('resize', () => {
      if (window.innerWidth !== width) charts.forEach(c => c.draw());
      width = window.innerWidth;
    });
    window.addEventListener('beforeprint', () => charts.forEach(c => c.draw()));
  }

  // ---- Through the steps ----

  // A slider over n places, which begins at the last one, or where it was left.
  function slider(name, steps, show) {
    const input = make('input', {type: 'range', min: 0, max: steps.length - 1, step: 1, 'aria-label': 'step of ' + name});
    const output = make('output', {});
    const left = view.at[name];
    input.value = left === undefined ? steps.length - 1 : steps.findIndex((s, i) => s >= left || i === steps.length - 1);
    function update(moved) {
      const i = Number(input.value);
      output.textContent = data.step + ' ' + steps[i].toLocaleString('en');
      if (moved) {
        // At the end it stays at the end, also when more comes.
        if (i === steps.length - 1) delete view.at[name];
        else view.at[name] = steps[i];
        keep();
      }
      show(i);
    }
    input.addEventListener('input', () => update(true));
    let timer = null;
    const play = make('button', {
      type: 'button', 'aria-label': 'play',
      onclick: () => {
        if (timer) {
          clearInterval(timer);
          timer = null;
        } else {
          if (Number(input.value) === steps.length - 1) input.value = -1;
          timer = setInterval(() => {
            input.value = Number(input.value) + 1;
            update(true);
            if (Number(input.value) === steps.length - 1) {
              clearInterval(timer);
              timer = null;
              play.textContent = '▶';
            }
          }, 250);
        }
        play.textContent = timer ? '⏸' : '▶';
      }
    }, '▶');
    const element = make('div', {class: 'slider'}, steps.length > 1 ? play : undefined, input, output);
    input.hidden = steps.length === 1;
    return {element, begin: () => update(false)};
  }

  function images() {
    for (const series of data.images) {
      const image = make('img', {alt: series.name, width: series.width, height: series.height});
      const labels = make('ol', {});
      const steps = slider(series.name, series.items.map(item => item[0]), i => {
        image.src = 'data:image/png;base64,' + series.items[i][1];
        image.alt = series.name + ' at ' + data.step + ' ' + series.items[i][0];
        // Pixels are shown as squares, but of a picture that is too wide here some would be left out.
        image.style.imageRendering = image.clientWidth < series.width ? 'auto' : '';
      });
      if (series.labels.length && series.rows)
        for (let r = 0; r < series.rows; r++) labels.append(make('li', {}, series.labels[r] || ''));
      labels.style.gridTemplateRows = 'repeat(' + (series.rows || 1) + ', 1fr)';
      labels.style.height = '100%';
      section(series.name, make('div', {class: 'card'}, steps.element, make('div', {class: 'picture'}, labels, image)));
      steps.begin();
    }
  }

  function histograms() {
    if (data.histograms.length === 0) return;
    const cards = make('div', {class: 'cards'});
    section('Distributions', cards);
    for (const series of data.histograms) {
      const svg = make('svg', {role: 'img', 'aria-label': series.name, height: 150});
      const edges = series.items.flatMap(item => item[1]);
      const low = edges.reduce((a, b) => Math.min(a, b), Infinity), high = edges.reduce((a, b) => Math.max(a, b), -Infinity);
      const steps = slider('histogram ' + series.name, series.items.map(item => item[0]), i => {
        const [, limits, counts] = series.items[i], width = Math.max(svg.clientWidth, 200);
        const step = limits.length > 1 ? limits[1] - limits[0] : 1, from = low - step, range = high - from || 1;
        const most = counts.reduce((a, b) => Math.max(a, b), 0) || 1, x = v => 8 + (v - from) / range * (width - 16);
        svg.replaceChildren();
        svg.setAttribute('viewBox', '0 0 ' + width + ' 150');
        limits.forEach((limit, k) => {
          const height = counts[k] / most * 118, begin = x(k > 0 ? limits[k - 1] : limit - step);
          svg.append(make('rect', {class: 'bar', x: begin, y: 126 - height, width: Math.max(0.5, x(limit) - begin - 0.5), height}));
        });
        for (const t of ticks(from, high, Math.max(2, Math.floor(width / 90))))
          svg.append(make('text', {x: x(t), y: 144, 'text-anchor': 'middle'}, short(t)));
      });
      cards.append(make('div', {class: 'card'}, make('header', {}, make('h3', {}, series.name)), svg, steps.element));
      steps.begin();
    }
  }

  function texts() {
    for (const series of data.texts) {
      const pre = make('pre', {});
      const steps = slider('text ' + series.name, series.items.map(item => item[0]), i => { pre.textContent = series.items[i][1]; });
      section(series.name, make('div', {class: 'card'}, series.items.length > 1 ? steps.element : undefined, pre));
      steps.begin();
    }
  }

  // ---- The profile ----

  // What ran in what: ranges, then the phase, then layers by the parts of their names, then operations.
  function profileTree(profile) {
    const root = {name: 'step', us: profile.us, calls: 1, flops: 0, bytes: 0, kind: 'range', parts: new Map(), outer: null};
    const places = [root], all = [root];
    const enter = (outer, name, kind) => {
      const key = kind + ' ' + name;
      if (!outer.parts.has(key)) {
        outer.parts.set(key, {name, us: 0, calls: 0, flops: 0, bytes: 0, kind, parts: new Map(), outer});
        all.push(outer.parts.get(key));
      }
      return outer.parts.get(key);
    };
    for (const [parent, kind, name, operation, calls, us, flops, bytes] of profile.nodes) {
      const path = [];
      let place = places[parent];
      if (operation) {
        if (place.kind === 'range') path.push([kind, kind + ' phase']);
        for (const part of name ? name.split('.') : []) path.push([part, kind + ' layer']);
        path.push([operation, kind]);
      } else {
        path.push([name, 'range']);
      }
      path.forEach(([part, partKind], i) => {
        place = enter(place, part, partKind);
        place.us += us;
        place.flops += flops;
        place.bytes += bytes;
        if (i === path.length - 1) place.calls += calls;
      });
      places.push(place);
    }
    // Times of some calls stand for all, so that parts may seem to take longer than the whole.
    for (const node of all.reverse()) {
      let inside = 0;
      for (const part of node.parts.values()) inside += part.us;
      node.us = Math.max(node.us, inside);
    }
    return root;
  }

  function profile() {
    if (!data.profile) return;
    const root = profileTree(data.profile);
    const colors = {range: '#cfd3d8', forward: '#9fd0a8', 'forward phase': '#7fbd8b', 'forward layer': '#b9dfbf', backward: '#f2b48a',
                    'backward phase': '#e79c69', 'backward layer': '#f7cdb0'};
    const graph = make('div', {class: 'flame'}), about = make('p', {class: 'hint'});
    const time = us => us >= 1000 ? short(us / 1000) + ' ms' : short(us) + ' µs';
    function say(node) {
      const rate = (work, unit) => work > 0 && node.us > 0 ? ', ' + short(work / node.us / 1000) + ' ' + unit : '';
      about.textContent = node.name + ': ' + time(node.us) + ' a step, ' + short(100 * node.us / root.us) + ' %' +
        (node.calls && node !== root ? ', ' + short(node.calls) + (node.calls === 1 ? ' call' : ' calls') : '') +
        rate(node.flops, 'GFLOP/s') + rate(node.bytes, 'GB/s');
    }
    function draw(focus) {
      graph.replaceChildren();
      let depth = 0;
      const bar = (node, row, left, width) => {
        depth = Math.max(depth, row + 1);
        graph.append(make('button', {
          type: 'button', title: node.name, style: 'left:' + left + '%;width:' + width + '%;top:' + row * 24 + 'px;background:' + colors[node.kind],
          onclick: () => draw(node), onpointerenter: () => say(node), onfocus: () => say(node)
        }, node.name));
      };
      const outer = [];
      for (let node = focus; node; node = node.outer) outer.unshift(node);
      outer.forEach((node, row) => bar(node, row, 0, 100));
      // No recursion: what is still to be drawn.
      const open = [[focus, outer.length, 0, 100]];
      while (open.length) {
        const [node, row, begin, whole] = open.pop();
        let left = begin;
        for (const part of [...node.parts.values()].sort((a, b) => b.us - a.us)) {
          const width = whole * part.us / Math.max(node.us, 1e-9);
          if (width > 0.15) {
            bar(part, row, left, width);
            open.push([part, row + 1, left, width]);
          }
          left += width;
        }
      }
      graph.style.height = depth * 24 + 'px';
      say(focus);
    }
    draw(root);

    // A line for each operation in each layer, and each range: without what ran inside.
    const inside = data.profile.nodes.map(() => 0);
    for (const node of data.profile.nodes) if (node[0] > 0) inside[node[0] - 1] += node[5];
    const lines = new Map();
    data.profile.nodes.forEach(([, kind, name, operation, calls, us, flops, bytes], i) => {
      const key = name + '\n' + operation;
      if (!lines.has(key)) lines.set(key, {name, operation, calls: {forward: 0, backward: 0}, forward: 0, backward: 0, flops: 0, bytes: 0});
      const line = lines.get(key);
      line.calls[kind === 'backward' ? 'backward' : 'forward'] += calls;
      line[kind === 'backward' ? 'backward' : 'forward'] += Math.max(0, us - inside[i]);
      line.flops += flops;
      line.bytes += bytes;
    });
    const all = [...lines.values()].sort((a, b) => b.forward + b.backward - a.forward - a.backward).slice(0, 40);
    const head = ['', 'calls', 'forward µs', 'backward µs', '%', 'GFLOP/s', 'GB/s'];
    const rows = all.map(line => {
      const us = line.forward + line.backward, rate = work => work > 0 && us > 0 ? short(work / us / 1000) : '';
      return [line.operation ? (line.name ? line.name + ' (' + line.operation + ')' : line.operation) : line.name, short(line.calls.forward || line.calls.backward),
              short(line.forward), short(line.backward), short(100 * us / root.us), rate(line.flops), rate(line.bytes)];
    });
    section('Profile', make('div', {class: 'card'}, graph, about),
            make('div', {class: 'card numbers', style: 'margin-top:12px'}, make('table', {},
              make('thead', {}, make('tr', {}, ...head.map(name => make('th', {scope: 'col'}, name)))),
              make('tbody', {}, ...rows.map(row => make('tr', {}, ...row.map(value => make('td', {}, value))))))),
            make('p', {class: 'hint'}, 'Per step, of ' + data.profile.steps.toLocaleString('en') +
              '. Click a bar to look into it, one above it to go back; the table counts each line without what ran inside it.'));
  }

  // ---- The rest ----

  function head() {
    const ended = data.ended;
    const fact = (value, name) => make('span', {}, make('b', {}, value), ' ' + name);
    const facts = make('div', {class: 'facts'}, fact(ended ? 'ended' : 'running', 'at ' + new Date(data.written * 1000).toLocaleString()),
                       fact(duration(data.seconds), 'long'));
    if (data.unit)
      facts.append(fact(data.counted.toLocaleString('en'), data.unit),
                   fact(short(data.counting > 0 ? data.counted / data.counting : null), data.unit + ' per second'));
    main.append(make('h1', {}, data.title), facts);
    if (ended) return;
    const reload = make('input', {type: 'checkbox', id: 'reload', onchange: e => { view.reload = e.target.checked; keep(); plan(); }});
    reload.checked = view.reload;
    main.append(make('div', {class: 'controls', style: 'margin-top:8px'}, make('label', {}, reload, 'reload every 10 seconds')));
    let timer = null;
    function plan() {
      clearTimeout(timer);
      if (view.reload) timer = setTimeout(() => location.reload(), 10000);
    }
    plan();
  }

  function table(pairs) {
    return make('div', {class: 'card'}, make('table', {}, make('tbody', {}, ...pairs.map(
      ([name, value]) => make('tr', {}, make('th', {scope: 'row'}, name), make('td', {}, value))))));
  }

  function about() {
    const cards = make('div', {class: 'cards'});
    if (data.configuration.length) cards.append(table(data.configuration));
    cards.append(table([['begun', new Date(data.begun * 1000).toLocaleString()], ...data.machine]));
    section(data.configuration.length ? 'Configuration and machine' : 'Machine', cards);
  }

  head();
  images();
  curves();
  histograms();
  profile();
  texts();
  about();
})();
