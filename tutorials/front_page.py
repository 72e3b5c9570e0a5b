"""The picture on the front page: the fold of tutorial 04, cut open. `python tutorials/front_page.py out/fold.vts fold.png`."""

import sys

import pyvista

EXAGGERATION = 5

mesh = pyvista.read(sys.argv[1])
mesh.points[:, 2] *= EXAGGERATION
x0, x1, y0, y1, z0, z1 = mesh.bounds
plotter = pyvista.Plotter(off_screen=True, window_size=(1500, 640))
back = mesh.clip_box((x0 - 1, x0 + 0.62 * (x1 - x0), y0 - 1, y0 + 0.5 * (y1 - y0), z0 - 1, z1 + 1), invert=True)
colours = {"scalars": "coarse_fraction_0", "cmap": "viridis", "clim": (0, 1), "show_scalar_bar": False}
plotter.add_mesh(back, **colours, lighting=True, ambient=0.35)
plotter.add_mesh(mesh.extract_feature_edges(45), color="#222222", line_width=1)
bar = {"vertical": False, "width": 0.25, "height": 0.09, "position_x": 0.7, "position_y": 0.03, "color": "black"}
plotter.add_scalar_bar("coarse fraction\n", n_labels=3, fmt="%.1f", **bar)
plotter.add_text(f"vertical exaggeration {EXAGGERATION}", position=(20, 12), font_size=11, color="black")
plotter.set_background("white")
plotter.camera_position = [(x0 - 1100, y0 - 3300, z1 + 1500), (1200, 800, (z0 + z1) / 2 - 60), (0, 0, 1)]
plotter.camera.zoom(1.75)
plotter.enable_anti_aliasing("ssaa")
plotter.screenshot(sys.argv[2])
