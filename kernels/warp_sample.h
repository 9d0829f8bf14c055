#pragma once

// Samples an image at arbitrary places: the last step of the warp, on the host.
//
// image:  height x width x 4 floats (RGBA), rows from the top
// xy:     count x 2 floats, pixels; (0, 0) is the centre of the top-left pixel
// output: count x 4 floats
//
// Bilinear. A place outside of the image takes the nearest pixel of its border, as GridSample does with
// align_corners=1 and padding_mode="border". Does nothing for an empty image.
extern "C" void mien_warp_sample(const float *image, int height, int width, const float *xy, int count, float *output);
