"""A grey-blue picture of 16x16 pixels in each format whose encoder takes longer to start than all decoders together.

A worker decodes them once, so that nothing is left to load when the sandbox has closed. Stored by Pillow 13.0 and
pillow-heif 1.8 at quality 50, and by pillow-jxl without loss; Base85 (`base64.b85decode`).
"""

from __future__ import annotations

SAMPLES = {
    "AVIF": (
        "0000WW^{RQVRmU|00000VRmU|ZE0pPZE0a<O+hh20002%ZDn*}000000000XXk=`10000000000aA{+700000000000000000000"
        "4sdC7Z2$lO000310016oY;R)#0000)000310RR910RR926951JB>(^bC~0YKW&i*H00031000_kZf0cy000000RRADb}%tRZ)|UJ"
        "00000YH4tCZ~y=ROKEUpZvX%Q6lrsCWdHyG000005C8xG5C8xG5O8UDX#fBK00RgJ2mk;83}JRLLxBJc000006Ju{|a&BX6cmM$a"
        "4FCp!0000NX>e^}0000000001009I60)qqq001p*WMOm?0162h4FB37A)wHJG8P#}hlU}Co_Xeg004D{P1@#HSvwLC"
    ),
    "HEIF": (
        "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004eZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=I"
        "V*mgE07O6l0RRC200001pa1~?00000001%o001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002|"
        "X>f9I0002oX>en20001WXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDDMA4O"
        "18@KU0|1Z!00RI30{|YNAb|yz>aLpR;31&EfB*mtfB*mk0EA)y0RRR>0l{;@i2wiq6Ju{|a&BX6cmM$a4FCp!0000KX>)L800000"
        "0000$0000$0000eV{Bn?0000G000010000G00001|NsBc00002|NsBc000020000GaA|mH000000|*ER0000OX>e^}0000000001"
        "009Mo0s{qv0000wZDe6|0000kC;_h%A!1`d_z?GJ|Jxm`6v2<TvFXmpM?k>RAb^`dNRwSq3l<Q7hjyh_-1q"
    ),
    "JXL": "{|ZAuBnSWj09*h|7>gAEl!!5AoHz#{fF_U&c_4eh*lz",
}
