<?php
// php gd_jobs.php < jobs: makes files with GD, as scripts.py asks and is answered.

set_error_handler(function (int $_, string $said): bool {
    throw new RuntimeException($said); // a warning means that the file is not what was asked for
});

function scaled(GdImage $picture, array $job): GdImage
{
    [$width, $height] = [imagesx($picture), imagesy($picture)];
    $way = $job["way"];
    if ($way !== "resampled" && $way !== "resized") {
        return imagescale($picture, $job["width"], $job["height"], constant("IMG_" . strtoupper($way)));
    }
    $to = imagecreatetruecolor($job["width"], $job["height"]);
    imagealphablending($to, false); // alpha is copied, not painted over black
    $copy = $way === "resampled" ? "imagecopyresampled" : "imagecopyresized";
    $copy($to, $picture, 0, 0, 0, 0, $job["width"], $job["height"], $width, $height);
    return $to;
}

function make(array $job): void
{
    $picture = imagecreatefromstring(file_get_contents($job["src"]));
    imagepalettetotruecolor($picture);
    if ($job["resize"] && isset($job["way"])) {
        $picture = scaled($picture, $job);
    }
    if (isset($job["angle"])) {
        $picture = imagerotate($picture, $job["angle"], 0); // against the clock
    }
    if ($job["sharpen"] ?? false) { // the matrix that PHP's manual and most galleries have
        imageconvolution($picture, [[-1, -1, -1], [-1, 16, -1], [-1, -1, -1]], 8, 0);
    }
    if (isset($job["palette"])) {
        imagetruecolortopalette($picture, $job["palette"] === "dithered", 256);
    }
    imagesavealpha($picture, true);
    if ($job["interlace"] ?? false) {
        imageinterlace($picture, true);
    }
    $quality = $job["quality"] ?? -1; // -1: its default
    match (pathinfo($job["out"], PATHINFO_EXTENSION)) {
        "jpg" => imagejpeg($picture, $job["out"], $quality),
        "png" => imagepng($picture, $job["out"]),
        "gif" => imagegif($picture, $job["out"]),
        "webp" => imagewebp($picture, $job["out"], $quality),
        "avif" => imageavif($picture, $job["out"], $quality),
    };
}

for ($number = 0; ($line = fgets(STDIN)) !== false; $number++) {
    $error = "";
    try {
        make(json_decode($line, true, flags: JSON_THROW_ON_ERROR));
    } catch (Throwable $problem) {
        $error = substr(preg_replace('/\s+/', " ", $problem->getMessage()) ?: "failed", 0, 300);
    }
    echo "$number\t$error\n";
}
